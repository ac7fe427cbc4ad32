"""What the script reads from the templates before AWS is asked."""

import json
from pathlib import Path

import pytest

from deploy.aws.commands import idle_cost, stack_templates
from deploy.aws.commands.deploy import KEYS, OWN
from deploy.aws.commands.stack_templates import FOLDER, MAX_BODY_BYTES, Template, check, missing
from deploy.aws.commands.template_values import Filled
from oncoserve.cli.client.client_errors import UsageError

ALL = [Template.read(path) for path in sorted(FOLDER.glob("*.yaml"))]
BY_NAME = {each.path.stem: each for each in ALL}
VALUES = {"VpcId": "vpc-1", "SubnetIds": "subnet-1,subnet-2", "AllowedCidrs": "192.0.2.0/24"}


def resources(name, **values):
    return Filled(BY_NAME[name].document, VALUES | values).resources()


@pytest.mark.parametrize("template", ALL, ids=lambda each: each.path.stem)
def test_each_template_fits_into_a_request(template):
    assert len(template.body.encode()) <= MAX_BODY_BYTES


def test_a_template_that_is_too_long_is_sent_without_its_comments(tmp_path):
    path = tmp_path / "pipeline.yaml"
    path.write_text(BY_NAME["pipeline"].text + "# and so on\n" * (MAX_BODY_BYTES // 12))
    template = Template.read(path)
    assert json.loads(template.body)["Resources"] == template.document["Resources"]
    path.write_text(json.dumps({"Description": "Oncoserve: long", "Resources": {"A": "x" * MAX_BODY_BYTES}}))
    with pytest.raises(
        UsageError, match=rf"has 51\d\d\d bytes without its comments; CloudFormation takes {MAX_BODY_BYTES}"
    ):
        _ = Template.read(path).body


@pytest.mark.parametrize(
    "text", ["", "- 1", "a: [", "Description: Theirs\nResources: {}", "Description: 'Oncoserve: x'"]
)
def test_what_is_no_template_of_ours_is_refused(tmp_path, text):
    path = tmp_path / "ec2.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"is no template of this project"):
        Template.read(path)


def test_what_the_deployment_says_itself_the_templates_ask_for():
    asked = {key for each in ALL for key in missing(each, VALUES)}
    images = {key for each in ALL for key in each.images}
    assert asked - images == OWN
    assert {"TritonImage", "WorkerImage"} <= images
    assert "MachineImage" not in images


def test_the_keys_are_where_the_authoriser_looks():
    function = resources("pipeline")["AuthoriserFunction"]
    assert function["Properties"]["Environment"]["Variables"]["ONCOSERVE_KEYS_OBJECT"] == KEYS


def test_loops_and_conditions_are_decided_by_the_parameters():
    assert {"QueueBrainMri", "QueueHeTissue"} <= resources("pipeline").keys()
    assert "QueueHeTissue" not in resources("pipeline", Models="BrainMri")
    assert ("Distribution" in resources("pipeline", WithCdn="true"), "Distribution" in resources("pipeline")) == (
        True,
        False,
    )
    template = resources("ec2")["TemplateHeTissue"]["Properties"]["LaunchTemplateData"]
    assert template["InstanceType"].startswith("c7i.")
    assert resources("ec2")["WorkersHeTissue"]["Properties"]["VPCZoneIdentifier"] == ["subnet-1", "subnet-2"]


def test_every_function_of_conditions():
    document = {
        "Parameters": {"P": {"Type": "String"}},
        "Conditions": {
            "A": {"Fn::Equals": [{"Ref": "P"}, "a"]},
            "B": {"Fn::And": [{"Condition": "A"}, {"Fn::Not": [{"Fn::Equals": ["x", "y"]}]}]},
            "C": {"Fn::Or": [{"Condition": "B"}, {"Fn::Equals": [{"Ref": "P"}, "c"]}]},
        },
        "Resources": {
            "R": {
                "Type": "T",
                "Condition": "C",
                "Properties": {
                    "One": {"Fn::If": ["A", "yes", {"Ref": "AWS::NoValue"}]},
                    "Text": {"Fn::Sub": ["${P}-${Q}-${AWS::Region}", {"Q": "q"}]},
                },
            }
        },
    }
    assert Filled(document, {"P": "b"}).resources() == {}
    (found,) = Filled(document, {"P": "c"}, {"AWS::Region": "here"}).resources().values()
    assert found["Properties"] == {"Text": "c-q-here"}
    (found,) = Filled(document, {"P": "a"}).resources().values()
    assert found["Properties"] == {"One": "yes", "Text": {"Fn::Sub": "a-q-${AWS::Region}"}}


def test_idle_cost_counts_workers_that_always_run_and_their_disks():
    three = {each.what: each.usd for each in idle_cost.idle(resources("ec2", MinWorkers="1"))}
    machines = [usd for what, usd in three.items() if "at all times" in what]
    assert sum(machines) + machines[0] * ("1 x c7i.xlarge, at all times" in three) == pytest.approx(521.2, abs=0.1)
    assert [each for each in idle_cost.idle(resources("ec2", MinWorkers="0")) if "at all times" in each.what] == []
    lines = list(idle_cost.in_lines(idle_cost.idle(resources("ec2", MinWorkers="1"))))
    assert "not verified" in lines[-1]
    assert idle_cost.WHERE in lines[-1]


def test_a_price_that_is_not_known_is_said():
    document = json.loads(json.dumps(BY_NAME["ec2"].document).replace("c7i.2xlarge", "x9.huge"))
    costs = idle_cost.idle(Filled(document, VALUES | {"MinWorkers": "1"}).resources())
    lines = list(idle_cost.in_lines(costs))
    assert any("unknown" in each and "x9.huge" in each for each in lines)
    assert lines[-2].endswith("and what is unknown")


def test_idle_cost_of_what_else_costs_by_the_month():
    endpoint = {"VpcEndpointType": "Interface", "SubnetIds": ["a", "b"]}
    variant = {"ProductionVariants": [{"InstanceType": "ml.c7i.xlarge", "InitialInstanceCount": 1}]}
    target = {"Type": "AWS::ApplicationAutoScaling::ScalableTarget", "Properties": {"MinCapacity": "0"}}
    given = {
        "Key": {"Type": "AWS::KMS::Key"},
        "One": {"Type": "AWS::EC2::VPCEndpoint", "Properties": endpoint},
        "Gateway": {"Type": "AWS::EC2::VPCEndpoint", "Properties": {"VpcEndpointType": "Gateway"}},
        "Wall": {"Type": "AWS::WAFv2::WebACL", "Properties": {"Rules": [{}, {}]}},
        "Config": {"Type": "AWS::SageMaker::EndpointConfig", "Properties": variant},
    }
    assert sum(each.usd for each in idle_cost.idle(given)) == pytest.approx(1 + 14.6 + 5 + 2 + 156.366)
    assert sum(each.usd for each in idle_cost.idle(given | {"Target": target})) == pytest.approx(1 + 14.6 + 5 + 2)


def test_a_list_s_parts_are_checked_one_by_one():
    template = Template(Path("x.yaml"), "", {"Parameters": {"Days": {"Type": "List<Number>", "AllowedValues": [1, 3]}}})
    check({"Days": "1, 3"}, [template])
    with pytest.raises(UsageError, match="expected one of 1, 3"):
        check({"Days": "1,2"}, [template])
    assert stack_templates.is_image("TritonImage", {"Type": "String", "AllowedPattern": ".+@sha256:[0-9a-f]{64}"})
