"""Certificates, keytabs and the KDC: who proves by what who it is, and until when. Private to this collection."""
