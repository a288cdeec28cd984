"""The door for people: pages that are plain HTML forms and work without JavaScript.

Routes below an issuer: `/sign-in...`, `/activate`, `/reset`, `/register`, `/account`; and `/help/errors/<code>` for the whole platform.
Pages show what `gateway.services` decided; `errors` turns every refusal into a page or a problem document (RFC 9457). Beside it
stand `scim` and `federation`, which it never imports.
"""
