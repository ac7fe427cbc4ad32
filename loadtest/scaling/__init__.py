"""What the scaling policies of deploy/aws/ec2.yaml do with given arrivals, minute by minute, without AWS."""
