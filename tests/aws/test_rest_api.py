"""The REST API in place of the HTTP API: the same paths, keys, owners and errors; and what stands before it."""

import json
import re
import time

import httpx
import pytest
from botocore.exceptions import ClientError

from oncoserve import errors
from oncoserve.keys import new_key
from testbed.aws_emulator import Stack
from testbed.aws_template import read_template, unrolled
from tests.aws.test_access import invoke

TEMPLATE = read_template("pipeline")
RESOURCES = unrolled(TEMPLATE)["Resources"]
ANSWERS = TEMPLATE["Mappings"]["Answers"]
ELSEWHERE = "192.0.2.0/24"


@pytest.fixture(scope="module")
def rest(emulator):
    """A stack with the REST API, and a key for it."""
    made = Stack(emulator, "rest", Door="rest", WebAcl="true", WebAclCidrs4="127.0.0.0/8", ApiLogRole="true")
    functions = emulator.client("lambda")
    for function in map(made.resource, ("FrontendFunction", "AuthoriserFunction")):
        given = functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
        given["ONCO_AWS_ENDPOINT_URL"] = emulator.url
        functions.update_function_configuration(FunctionName=function, Environment={"Variables": given})
    secret, key = new_key("ward")
    emulator.client("s3").put_object(Bucket=made.outputs["BucketName"], Key="config/api_keys", Body=str(key).encode())
    return made, secret


@pytest.fixture
def ask(emulator):
    """Makes clients of a stack's REST API, which ask by the paths that callers of AWS would use."""
    clients = []

    def client(stack, secret=None):
        headers = {} if secret is None else {"X-API-Key": secret}
        host = f"{stack.outputs['RestApiId']}.execute-api.localhost"
        clients.append(httpx.Client(base_url=emulator.url, headers=headers | {"Host": host}, timeout=60))
        return clients[-1]

    yield client
    for each in clients:
        each.close()


@pytest.mark.long
def test_a_job_goes_its_way_by_the_paths_and_links_of_the_http_api(rest, ask, sample):
    ward = ask(*rest)
    assert ward.get("/livez").json() == {"status": "alive"}
    files = [("images", ("a.jpg", sample, "image/jpeg")), ("images", ("notes.txt", b"\xff no picture"))]
    made = ward.post("/v1/jobs", data={"model": "brain_mri"}, files=files)
    assert made.status_code == 202, made.text
    job = made.json()
    assert made.headers["location"] == job["links"]["self"] == f"/v1/jobs/{job['id']}"
    good, bad = job["images"]  # so the bytes came through as they were sent
    assert (good["state"], bad["error"]["code"]) == ("QUEUED", "unsupported_image")
    time.sleep(0.1)
    for query in ({}, {"limit": 1}):
        assert [each["id"] for each in ward.get("/v1/jobs", params=query).json()["jobs"]] == [job["id"]]
    assert ward.get("/v1/jobs", params={"limit": 0}).json()["code"] == "invalid_parameter"
    assert ward.get(job["links"]["self"]).json()["id"] == job["id"]
    assert ward.delete(job["links"]["self"]).status_code == 204
    assert ward.get(job["links"]["self"]).json()["code"] == "job_not_found"
    large = ward.post("/v1/jobs", data={"model": "brain_mri"}, files={"images": ("a.jpg", bytes(4_600_000))})
    assert (large.status_code, large.json()["code"]) == (413, "upload_too_large")


@pytest.mark.long
def test_what_api_gateway_refuses_itself_is_a_problem_with_the_service_s_own_code(rest, ask):
    stack, secret = rest
    asked = {
        "unauthorised": ask(stack).get("/v1/jobs"),
        "forbidden": ask(stack, "false").get("/v1/jobs"),
        "not_found": ask(stack, secret).post("/livez"),
    }
    for code, answer in asked.items():
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert (problem["code"], problem["type"]) == (code, f"/errors#{code}")
        assert problem["status"] == answer.status_code
        assert problem["request_id"] == answer.headers["x-amzn-requestid"]
    assert asked["unauthorised"].headers["www-authenticate"] == errors.Unauthorised.challenge
    # What the stage does not have reaches the function, which knows its own addresses.
    for path in ("/v1/nothing", "/livez/jobs"):
        assert ask(stack, secret).get(path).json()["code"] == "not_found"


@pytest.mark.parametrize("kind", ANSWERS)
def test_its_own_answers_are_those_of_the_errors(kind):
    answer = ANSWERS[kind]
    (ours,) = [each for each in errors.all_errors() if each.code == answer["Code"]]
    assert (answer["Status"], answer["Title"]) == (ours.status, ours.title)
    made = RESOURCES[f"Answer{kind}"]["Properties"]
    headers = {key.rsplit(".", 1)[-1]: value for key, value in made["ResponseParameters"].items()}
    assert headers["Content-Type"] == "'application/problem+json'"
    assert headers.get("WWW-Authenticate") == (f"'{ours.challenge}'" if ours.challenge else None)
    assert ("Retry-After" in headers) == (ours.status == 429)
    (template, values) = made["ResponseTemplates"]["application/json"]["Fn::Sub"]
    text = re.sub(r"\$\{(\w+)\}", lambda match: str(answer[match[1]]), template)
    assert set(re.findall(r"\$\{(\w+)\}", template)) == values.keys()
    assert json.loads(text).keys() == {"type", "title", "status", "detail", "code", "request_id"}
    for deployment in [each for each in RESOURCES.values() if each["Type"] == "AWS::ApiGateway::Deployment"]:
        assert f"Answer{kind}" in deployment["DependsOn"]  # else it may be missing from what is deployed


def event(path, stage="v1", **more):
    """What API Gateway gives a function behind a REST API: the path is without the stage, except in its context."""
    return {
        "resource": "/{proxy+}",
        "path": path.removeprefix(f"/{stage}") or "/",
        "httpMethod": "GET",
        "headers": {"Host": "abc.execute-api.eu-central-1.amazonaws.com"},
        "multiValueHeaders": {"Host": ["abc.execute-api.eu-central-1.amazonaws.com"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {"path": path, "stage": stage, "identity": {"sourceIp": "127.0.0.1"}, **more},
        "body": None,
        "isBase64Encoded": False,
    }  # fmt: skip


def test_past_the_authoriser_nobody_is_answered(rest, emulator):
    function = rest[0].resource("FrontendFunction")
    alive = invoke(emulator, function, event("/livez", "livez"))
    assert (alive["statusCode"], json.loads(alive["body"])) == (200, {"status": "alive"})
    jobs = invoke(emulator, function, event("/v1/jobs", authorizer={"owner": "ward", "principalId": "ward"}))
    assert (jobs["statusCode"], json.loads(jobs["body"])) == (200, {"jobs": [], "next": None})
    for authorizer in ({}, {"authorizer": None}, {"authorizer": {"principalId": "x"}}, {"authorizer": {"owner": ""}}):
        answer = invoke(emulator, function, event("/v1/jobs", **authorizer))
        assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (401, "unauthorised")


@pytest.mark.parametrize(
    ("address", "key", "effect"),
    [
        ("127.0.0.1", True, "Allow"),
        ("127.0.0.1", False, "Deny"),
        ("192.0.2.1", True, "Deny"),
        ("2001:db8::1", True, "Deny"),
        ("", True, "Deny"),
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


@pytest.mark.long
def test_the_resource_policy_refuses_other_addresses_and_a_new_revision_deploys_it(emulator, ask):
    """The emulator asks the policy where no authoriser does, which is for /livez. AWS asks it everywhere, and first."""
    shut = Stack(emulator, "shut", Door="rest", AllowedCidrs=ELSEWHERE)
    refused = ask(shut).get("/livez")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    gateway, cloudformation = emulator.client("apigateway"), emulator.client("cloudformation")
    api = shut.outputs["RestApiId"]

    def deployed():
        return {each["stageName"]: each["deploymentId"] for each in gateway.get_stages(restApiId=api)["item"]}

    before = deployed()
    assert before.keys() == {"v1", "livez"}
    template = cloudformation.get_template(StackName="shut", TemplateStage="Original")["TemplateBody"]
    changed = {"AllowedCidrs": "127.0.0.0/8", "ApiRevision": "2"}
    parameters = cloudformation.describe_stacks(StackName="shut")["Stacks"][0]["Parameters"]
    kept = [{"ParameterKey": each["ParameterKey"], "UsePreviousValue": True} for each in parameters]
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in changed.items()]
    cloudformation.update_stack(
        StackName="shut",
        TemplateBody=json.dumps(template),  # the previous one would be that of the revision before, its loops unrolled
        Parameters=[each for each in kept if each["ParameterKey"] not in changed] + given,
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    deadline = time.monotonic() + 60
    while (status := cloudformation.describe_stacks(StackName="shut")["Stacks"][0]["StackStatus"]) != "UPDATE_COMPLETE":
        assert "FAILED" not in status
        assert "ROLLBACK" not in status
        assert time.monotonic() < deadline
        time.sleep(0.1)
    after = deployed()
    assert not set(before.values()) & set(after.values())
    assert {each["id"] for each in gateway.get_deployments(restApiId=api)["items"]} == set(after.values())
    assert ask(shut).get("/livez").status_code == 200


def test_each_stage_is_throttled_and_logged_without_pictures_and_keys(rest, emulator):
    stack, gateway = rest[0], emulator.client("apigateway")
    for name in ("v1", "livez"):
        stage = gateway.get_stage(restApiId=stack.outputs["RestApiId"], stageName=name)
        (settings,) = stage["methodSettings"].values()
        assert (settings["throttlingRateLimit"], settings["throttlingBurstLimit"]) == (50, 50)
        assert settings["dataTraceEnabled"] is False
        # The emulator writes no logs of a REST API, and forgets where they would be.
        settings = RESOURCES[f"RestStage{name}"]["Properties"]["AccessLogSetting"]
        assert settings["DestinationArn"] == {"Fn::GetAtt": ["ApiLogs", "Arn"]}
        assert json.loads(settings["Format"])["status"] == "$context.status"
        assert "header" not in settings["Format"]
    assert gateway.get_account()["cloudwatchRoleArn"]


def test_the_wall_lets_in_the_allowed_addresses_at_a_bounded_rate(rest, emulator):
    """In the template's text, too: the emulator has neither sets of addresses nor a wall before its API."""
    name, wall, scope = rest[0].resource("WebAclRules").split("|")
    made = emulator.client("wafv2").get_web_acl(Name=name, Id=wall, Scope=scope)["WebACL"]
    assert made["DefaultAction"] == {"Block": {}}
    rate, addresses = made["Rules"]
    assert (rate["Priority"], addresses["Priority"]) == (0, 1)
    assert rate["Statement"]["RateBasedStatement"]["AggregateKeyType"] == "IP"
    assert rate["Action"]["Block"]["CustomResponse"]["ResponseCode"] == errors.TooManyRequests.status
    body = json.loads(RESOURCES["WebAclRules"]["Properties"]["CustomResponseBodies"]["TooMany"]["Content"])
    assert (body["code"], body["status"]) == (errors.TooManyRequests.code, errors.TooManyRequests.status)
    assert addresses["Action"] == {"Allow": {}}
    for each in (made, rate, addresses):
        assert each["VisibilityConfig"]["SampledRequestsEnabled"] is False  # they have the caller's key in them
    (_, text) = RESOURCES["WebAclRules"]["Properties"]["Rules"]
    sets = text["Statement"]["OrStatement"]["Statements"]
    assert [each["IPSetReferenceStatement"]["Arn"]["Fn::GetAtt"][0] for each in sets] == ["Addresses4", "Addresses6"]
    for version in ("4", "6"):
        given = RESOURCES[f"Addresses{version}"]["Properties"]
        assert given["IPAddressVersion"] == f"IPV{version}"
        assert given["Addresses"]["Fn::If"][1] == {"Ref": f"WebAclCidrs{version}"}
    walls = [each["Properties"] for each in RESOURCES.values() if each["Type"] == "AWS::WAFv2::WebACLAssociation"]
    assert len(walls) == len([each for each in RESOURCES.values() if each["Type"] == "AWS::ApiGateway::Stage"])
    assert all(each["WebACLArn"] == {"Fn::GetAtt": ["WebAclRules", "Arn"]} for each in walls)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"WebAcl": "true", "WebAclCidrs4": ELSEWHERE}, "needs Door=rest"),
        ({"Door": "rest", "WebAcl": "true"}, "would let nobody in"),
        ({"Door": "rest", "WebAcl": "true", "WebAclCidrs4": "2001:db8::/32"}, "WebAclCidrs4"),
        ({"Door": "rest", "WebAcl": "true", "WebAclCidrs6": ELSEWHERE}, "WebAclCidrs6"),
        ({"Door": "rest", "ApiRevision": "a-b"}, "ApiRevision"),
        ({"AllowedCidrs": "192.0.2.1"}, "AllowedCidrs"),
    ],
    ids=str,
)
def test_what_would_let_nobody_in_or_everybody_is_refused_before_anything_is_made(emulator, given, words):
    with pytest.raises(ClientError, match=words):
        Stack(emulator, "refused", **given)


def test_the_resource_policy_is_that_of_the_allowed_addresses():
    api = RESOURCES["RestApi"]["Properties"]
    (deny,) = [each for each in api["Policy"]["Statement"] if each["Effect"] == "Deny"]
    assert deny["Condition"] == {"NotIpAddress": {"aws:SourceIp": {"Ref": "AllowedCidrs"}}}
    assert (deny["Principal"], deny["Resource"]) == ("*", "execute-api:/*")
    # The emulator's cache cannot have the address in its key, see testbed/aws_emulator.py; that of AWS has to.
    assert "context.identity.sourceIp" in RESOURCES["RestAuthoriser"]["Properties"]["IdentitySource"].split(",")
    methods = {name: each["Properties"] for name, each in RESOURCES.items() if each["Type"].endswith("::Method")}
    assert {name for name, each in methods.items() if each["AuthorizationType"] == "NONE"} == {"RestHealthMethod"}
    for deployment in [each for each in RESOURCES.values() if each["Type"] == "AWS::ApiGateway::Deployment"]:
        assert methods.keys() <= set(deployment["DependsOn"])
    # An IPv6 address of AllowedCidrs could never ask an API that has no IPv6 address itself.
    assert (
        api["EndpointConfiguration"]["IpAddressType"] == RESOURCES["Api"]["Properties"]["IpAddressType"] == "dualstack"
    )


@pytest.mark.parametrize("door", ["HttpDoor", "RestDoor"])
def test_one_door_is_there_and_not_the_other(door):
    """Everything of an API has the condition of its kind."""
    kinds = {"AWS::ApiGatewayV2": "HttpDoor", "AWS::ApiGateway": "RestDoor"}
    found = {
        name: resource.get("Condition")
        for name, resource in RESOURCES.items()
        if kinds.get(resource["Type"].rsplit("::", 1)[0]) == door and resource["Type"] != "AWS::ApiGateway::Account"
    }
    assert len(found) >= 6
    assert set(found.values()) == {door}
