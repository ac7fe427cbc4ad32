"""Jobs whose images an asynchronous endpoint of SageMaker computes: fed to it, and settled when it has answered."""
