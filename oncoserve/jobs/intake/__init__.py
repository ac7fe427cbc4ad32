"""What is sent to a job becomes its images: archives are unpacked, frames cut apart, slices put into order."""
