"""What is counted, and how the figures of several processes become one."""
