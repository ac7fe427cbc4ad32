"""Jobs whose workers are killed, and one image that kills its worker: what is lost, and what is done twice?"""
