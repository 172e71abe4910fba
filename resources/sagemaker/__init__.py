"""SageMaker through boto3: jobs, model packages, endpoints, and what runs in their containers.

Importing this package imports neither boto3 nor the `sagemaker` distribution, which is not used.
"""
