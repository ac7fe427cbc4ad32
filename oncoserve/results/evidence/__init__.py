"""Results as DICOM objects: a segmentation, a structured report and a picture, beside the image that they are about."""
