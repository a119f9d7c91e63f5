"""The package as strangers get it: built, looked into, installed, used and removed."""
