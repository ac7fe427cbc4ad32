"""The container of an endpoint of SageMaker: Triton and the frontend on port 8080, as `serve` starts them."""
