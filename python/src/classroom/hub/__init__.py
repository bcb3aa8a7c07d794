"""The hub application: configuration, launch, proxy and Nginx."""
