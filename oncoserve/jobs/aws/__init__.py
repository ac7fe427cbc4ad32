"""Jobs on AWS: objects in S3, messages through SNS to an SQS queue per model, records in DynamoDB; docs/aws.md."""
