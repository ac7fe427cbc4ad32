"""The REST API in place of the HTTP API: the same paths, keys and owners; policy and web ACL by the template's text."""

import json

import httpx
import pytest

from deploy.aws.commands.account import Account
from deploy.aws.commands.change_sets import renew_stage
from deploy.aws.commands.stacks import find
from oncoserve.keys import new_key
from testbed.aws_emulator import ROOT, Stack
from testbed.aws_template import read_template
from tests.aws.test_access import invoke

RESOURCES = read_template("pipeline")["Resources"]


@pytest.fixture(scope="module")
def rest(emulator):
    """A stack with the REST API, and a key for it."""
    made = Stack(emulator, "rest", Door="rest")
    functions = emulator.client("lambda")
    for function in map(made.resource, ("FrontendFunction", "AuthoriserFunction")):
        given = functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
        given["ONCO_AWS_ENDPOINT_URL"] = emulator.url
        functions.update_function_configuration(FunctionName=function, Environment={"Variables": given})
    secret, key = new_key("ward")
    emulator.client("s3").put_object(Bucket=made.outputs["BucketName"], Key="config/api_keys", Body=str(key).encode())
    return made, secret


def event(path, resource="/{proxy+}", method="GET", **more):
    """What API Gateway gives a function behind a REST API whose stage is v1."""
    return {
        "version": "1.0",
        "resource": resource,
        "path": path.removeprefix("/v1"),
        "httpMethod": method,
        "headers": {"Host": "abc.execute-api.eu-central-1.amazonaws.com"},
        "multiValueHeaders": {"Host": ["abc.execute-api.eu-central-1.amazonaws.com"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {
            "path": path,
            "stage": "v1",
            "httpMethod": method,
            "identity": {"sourceIp": "127.0.0.1"},
            **more,
        },
        "body": None,
        "isBase64Encoded": False,
    }


def test_the_same_paths_answer_as_behind_an_http_api(rest, emulator):
    function = rest[0].resource("FrontendFunction")
    alive = invoke(emulator, function, event("/v1/livez", "/livez"))
    assert (alive["statusCode"], json.loads(alive["body"])) == (200, {"status": "alive"})
    jobs = invoke(emulator, function, event("/v1/jobs", authorizer={"owner": "ward", "principalId": "ward"}))
    assert (jobs["statusCode"], json.loads(jobs["body"])) == (200, {"jobs": [], "next": None})
    for authorizer in ({}, {"authorizer": None}, {"authorizer": {"principalId": "x"}}):
        answer = invoke(emulator, function, event("/v1/jobs", **authorizer))
        assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (401, "unauthorised")


@pytest.mark.parametrize(
    ("address", "key", "effect"),
    [
        ("127.0.0.1", True, "Allow"),
        ("127.0.0.1", False, "Deny"),
        ("192.0.2.1", True, "Deny"),
        ("2001:db8::1", True, "Deny"),
    ],
)
def test_the_authoriser_answers_with_a_policy_for_the_whole_stage(rest, emulator, address, key, effect):
    stack, secret = rest
    asked = {
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:eu-central-1:000000000000:abc/v1/GET/jobs/1",
        "headers": {"X-API-Key": secret if key else "false"},
        "requestContext": {"identity": {"sourceIp": address}},
    }
    answer = invoke(emulator, stack.resource("AuthoriserFunction"), asked)
    (statement,) = answer["policyDocument"]["Statement"]
    assert (statement["Effect"], statement["Resource"]) == (
        effect, "arn:aws:execute-api:eu-central-1:000000000000:abc/v1/*",
    )  # fmt: skip
    assert answer["context"] == ({"owner": "ward"} if effect == "Allow" else {})


def test_through_the_emulator_s_own_gateway(rest, emulator):
    """As far as the emulator goes: it calls the function, and the authoriser before it."""
    stack, secret = rest
    base = f"{emulator.url}/restapis/{stack.outputs['RestApiId']}/v1/_user_request_"
    answer = httpx.get(f"{base}/jobs", headers={"X-API-Key": secret}, timeout=60)
    assert (answer.status_code, answer.json()) == (200, {"jobs": [], "next": None})
    refused = httpx.get(f"{base}/jobs", headers={"X-API-Key": "false"}, timeout=60)
    assert (refused.status_code, refused.json()["code"]) == (403, "api_gateway")
    assert httpx.get(f"{base}/jobs", timeout=60).status_code == 401
    assert httpx.get(f"{base}/livez", timeout=60).json() == {"status": "alive"}


def test_the_resource_policy_lets_in_the_allowed_addresses_alone():
    api = RESOURCES["RestApi"]["Properties"]
    deny = [each for each in api["Policy"]["Statement"] if each["Effect"] == "Deny"]
    assert deny[0]["Condition"] == {"NotIpAddress": {"aws:SourceIp": {"Ref": "AllowedCidrs"}}}
    assert api["BinaryMediaTypes"] == ["*/*"]
    authoriser = RESOURCES["RestAuthoriser"]["Properties"]
    assert "context.identity.sourceIp" in authoriser["IdentitySource"]
    assert RESOURCES["RestStage"]["Properties"]["StageName"] == "v1"
    assert RESOURCES["RestMethod"]["Properties"]["AuthorizationType"] == "CUSTOM"
    (settings,) = RESOURCES["RestStage"]["Properties"]["MethodSettings"]
    assert settings["ThrottlingRateLimit"] == {"Ref": "RequestsPerSecond"}


def test_the_web_acl_stands_before_the_stage_and_blocks_no_picture():
    rules = {each["Name"]: each["Statement"] for each in RESOURCES["WebAclRules"]["Properties"]["Rules"]}
    assert rules["rate"]["RateBasedStatement"]["AggregateKeyType"] == "IP"
    assert "CommonRuleSet" not in str(rules)  # it refuses bodies of more than 8 KB
    assert "${RestStage}" in str(RESOURCES["WebAclAssociation"]["Properties"]["ResourceArn"])


@pytest.mark.parametrize("door", ["HttpDoor", "RestDoor"])
def test_one_door_is_there_and_not_the_other(door):
    """Everything of an API has the condition of its kind."""
    kinds = {"AWS::ApiGatewayV2": "HttpDoor", "AWS::ApiGateway": "RestDoor"}
    found = {
        name: resource.get("Condition")
        for name, resource in RESOURCES.items()
        if isinstance(resource, dict) and kinds.get(resource["Type"].rsplit("::", 1)[0]) == door
    }
    assert len(found) >= 6
    assert set(found.values()) == {door}


def test_a_deployment_lets_the_stage_have_what_the_api_is_now(rest, emulator, monkeypatch, capsys):
    """Else a changed allow-list would be in the template and not in force."""
    for name, value in {**ROOT, "AWS_ENDPOINT_URL": emulator.url}.items():
        monkeypatch.setenv(name, value)
    gateway, api = emulator.client("apigateway"), rest[0].outputs["RestApiId"]
    before = gateway.get_stage(restApiId=api, stageName="v1")["deploymentId"]
    account = Account(None)
    renew_stage(account, find(account, rest[0].name))
    assert gateway.get_stage(restApiId=api, stageName="v1")["deploymentId"] != before
    assert api in capsys.readouterr().out
