"""Between a PACS and a service: images are taken from one, asked about at the other, and what comes out is stored back.

It holds no model: the service is asked over HTTP, the PACS by DICOMweb or by C-STORE.
"""
