"""The roles' policies allow the calls that the code makes, all of them and no others."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

# Whoever opens a client of a service stands here, or a test fails.
SERVICES = {
    "resources/batch/aws.py": ("batch", "logs"),
    "resources/bedrock.py": ("bedrock-runtime",),
    "resources/cloudwatch.py": ("cloudwatch", "logs"),
    "resources/queues.py": ("sqs",),
    "resources/s3_listing.py": ("s3",),
    "resources/sagemaker/api.py": ("sagemaker", "sagemaker-runtime"),
    "resources/sns.py": ("sns",),
}
# Where the right has another name than the call, from the service authorization reference.
RIGHTS = {
    "bedrock-runtime:Converse": "bedrock:InvokeModel",
    "s3:ListObjectsV2": "s3:ListBucket",
    "sagemaker-runtime:InvokeEndpoint": "sagemaker:InvokeEndpoint",
    "sns:PublishBatch": "sns:Publish",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
}
OF_OBSTORE = {
    "put": {"s3:PutObject", "s3:AbortMultipartUpload"},
    "get": {"s3:GetObject"},
    "head": {"s3:GetObject"},
    "list": {"s3:ListBucket"},
    "list_with_delimiter": {"s3:ListBucket"},
    "delete": {"s3:DeleteObject"},
}
# Asked for by what a call's request holds: tags, and a role for the service.
BESIDE_CALLS = {"batch:TagResource", "sagemaker:AddTags", "iam:PassRole"}


def words(tree: ast.AST) -> set[str]:
    """What a module calls by `self.<client>.<call>`, or names in a text, f-strings among them."""
    nodes = [*ast.walk(tree)]
    attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
    calls = {node.attr for node in attributes if isinstance(node.value, ast.Attribute)}
    texts = {text for node in nodes if (text := text_of(node))}
    formatted = [node.values[0] for node in nodes if isinstance(node, ast.JoinedStr)]
    beginnings = {text for node in formatted if (text := text_of(node))}
    return texts | calls | {f"{beginning}{text}" for beginning in beginnings for text in texts}


def text_of(node: ast.AST) -> str:
    found = node.value if isinstance(node, ast.Constant) else ""
    return found if isinstance(found, str) else ""


def rights_of_calls(path: Path, services: tuple[str, ...]) -> Iterator[str]:
    import botocore.session
    from botocore import xform_name

    found = words(ast.parse(path.read_text(encoding="utf-8")))
    for service in services:
        model = botocore.session.get_session().get_service_model(service)
        for operation in model.operation_names:
            if xform_name(operation) in found:
                call = f"{service}:{operation}"
                yield RIGHTS.get(call, call)


def rights_of_obstore() -> set[str]:
    tree = ast.parse((REPOSITORY / "resources/s3_objects.py").read_text(encoding="utf-8"))
    verbs = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "obstore"
    }
    return {right for verb in verbs for right in OF_OBSTORE[verb]}


def needed() -> set[str]:
    found = rights_of_obstore()
    for name, services in SERVICES.items():
        path = REPOSITORY / name
        # SageMaker's calls are named by the modules beside the one that holds the client.
        modules = path.parent.glob("*.py") if path.parent.name == "sagemaker" else [path]
        for module in modules:
            found |= {*rights_of_calls(module, services)}
    return found


def allowed(*policies: str) -> set[str]:
    found: set[str] = set()
    for policy in policies:
        text = (REPOSITORY / "deploy/aws/policies" / f"{policy}.json").read_text(encoding="utf-8")
        for statement in json.loads(text)["Statement"]:
            action = statement["Action"]
            found |= {action} if isinstance(action, str) else {*action}
    return found


def test_every_client_is_known_here() -> None:
    holders = {
        path.relative_to(REPOSITORY).as_posix()
        for package in ("resources", "fraud_assets", "schedules", "gpu_ops")
        for path in (REPOSITORY / package).rglob("*.py")
        if "boto3.client(" in path.read_text(encoding="utf-8")
    }
    assert holders == SERVICES.keys()


def test_the_hosts_role_may_make_the_calls_of_the_code_and_no_others() -> None:
    calls = needed()
    assert {"logs:PutLogEvents", "sagemaker:DeleteEndpointConfig", "s3:DeleteObject"} <= calls
    assert allowed("host", "sagemaker-host") == calls | BESIDE_CALLS


def test_a_step_on_batch_may_use_the_lake_and_nothing_else() -> None:
    assert allowed("job") == rights_of_obstore()


@pytest.mark.parametrize("resource", ["", ":log-stream:*"])
def test_metrics_go_to_the_log_group_that_the_guide_names(resource: str) -> None:
    guide = (REPOSITORY / "docs/aws.md").read_text(encoding="utf-8")
    assert "FRAUD_METRICS_LOG_GROUP=/fraud-assets/metrics" in guide
    host = json.loads((REPOSITORY / "deploy/aws/policies/host.json").read_text(encoding="utf-8"))
    (statement,) = [one for one in host["Statement"] if "logs:PutLogEvents" in one["Action"]]
    arn = "arn:aws:logs:${REGION}:${ACCOUNT}:log-group:/fraud-assets/metrics"
    assert f"{arn}{resource}" in statement["Resource"]
