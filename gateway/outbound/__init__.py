"""Every call to the outside goes through `transport`: https, the checked address is the one dialled, sizes and times are capped."""
