"""The files of deploy/ hold what they must: limits, probes, no root, no secrets, names that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from plateau.cli import main
from plateau.cli._server import CUT_SECONDS, FINISH_SECONDS, IDLE_SECONDS
from plateau.sealing import KEY_FILE
from plateau.server._metrics import Metrics
from plateau.server._ready import REASONS
from plateau.store._engines import POOL_SIZE

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
STOP_SECONDS = FINISH_SECONDS + CUT_SECONDS
# What a start with PostgreSQL needs or makes for itself in a folder that a container does not keep.
SECRETS = ("PLATEAU_DATABASE", "PLATEAU_KEYS", "PLATEAU_MASTER_KEY", "PLATEAU_SECRET", "PLATEAU_METRICS_TOKEN")
# As docs/operations.md sets it; a few are kept for its administrator.
POSTGRES_CONNECTIONS = 200 - 5
# A password or key would be a long word without a space after one of these.
SECRET = re.compile(r"(?i)(?:password|secret|token|key)\w*\s*[:=]\s*['\"]?(?!PLATEAU_)[A-Za-z0-9+/_-]{16,}")


OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def text(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def objects() -> dict[str, Any]:
    found = list(yaml.safe_load_all(text("kubernetes/plateau.yaml")))
    assert len({one["kind"] for one in found}) == len(found)
    return {one["kind"]: one for one in found}


@pytest.fixture(scope="module")
def pod(objects: dict[str, Any]) -> dict[str, Any]:
    return dict(objects["Deployment"]["spec"]["template"]["spec"])


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load(text("compose.yml")))


FILES = sorted(file for file in DEPLOY.rglob("*") if file.is_file())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_variable_is_told_and_no_secret_is_written(file: Path) -> None:
    written = file.read_text(encoding="utf-8")
    told = set(
        re.findall(r"^\| `(PLATEAU_\w+)`", (ROOT / "docs" / "configuration.md").read_text("utf-8"), re.MULTILINE)
    )
    assert set(re.findall(r"PLATEAU_[A-Z_]+", written)) - told == set()
    assert SECRET.findall(written) == []


def test_the_pod_has_probes_that_mean_what_they_say(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    asked = {name: container[name]["httpGet"]["path"] for name in container if name.endswith("Probe")}
    assert asked == {"startupProbe": "/ready", "readinessProbe": "/ready", "livenessProbe": "/health"}
    # A check of readiness may take three seconds.
    assert all(container[name]["timeoutSeconds"] > 3 for name in asked)


def test_the_pod_has_no_rights_and_a_bound(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]
    assert container["resources"]["requests"]["cpu"]


def test_a_pod_has_the_time_to_stop(pod: dict[str, Any]) -> None:
    before = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    drain = int(re.findall(r'"--drain", "(\d+)"', text("Dockerfile"))[0])
    assert pod["terminationGracePeriodSeconds"] > before + drain + STOP_SECONDS


def test_the_parts_of_the_cluster_belong_together(objects: dict[str, Any]) -> None:
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    for kind, selector in (
        ("Deployment", objects["Deployment"]["spec"]["selector"]["matchLabels"]),
        ("Service", objects["Service"]["spec"]["selector"]),
        ("PodDisruptionBudget", objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]),
        ("NetworkPolicy", objects["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]),
    ):
        assert selector.items() <= labels.items(), kind
    assert objects["Deployment"]["spec"]["replicas"] > objects["PodDisruptionBudget"]["spec"]["minAvailable"]
    scaled = objects["HorizontalPodAutoscaler"]["spec"]
    assert scaled["scaleTargetRef"]["name"] == objects["Deployment"]["metadata"]["name"]
    # A worker takes up to 10 connections to each database, and one rolls in while another leaves.
    assert (scaled["maxReplicas"] + 1) * 2 * 2 * POOL_SIZE < POSTGRES_CONNECTIONS
    assert "max_connections = 200" in OPERATIONS
    assert objects["NetworkPolicy"]["spec"]["policyTypes"] == ["Ingress", "Egress"]


def test_what_can_be_secret_comes_from_a_secret(pod: dict[str, Any]) -> None:
    given = {one["name"]: one for one in pod["containers"][0]["env"]}
    for name in SECRETS:
        assert given[name]["valueFrom"]["secretKeyRef"] == {"name": "plateau", "key": name}


@pytest.mark.parametrize("name", ["compose.yml", "kubernetes/kustomization.yaml", "systemd/plateau@.service"])
def test_every_way_to_run_it_names_all_the_secrets(name: str) -> None:
    assert [secret for secret in SECRETS if secret not in text(name)] == []
    assert [secret for secret in SECRETS if f"`{secret}`" not in OPERATIONS] == []


def test_the_settings_in_the_cluster_are_a_clinic_s() -> None:
    from plateau.content import clinic

    assert clinic(str(DEPLOY / "kubernetes" / "clinic.yml")).name


def test_compose_has_two_workers_of_a_kind_without_rights(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert services["worker1"] == services["worker2"]
    worker = services["worker1"]
    assert (worker["user"], worker["read_only"], worker["cap_drop"]) == ("10001:10001", True, ["ALL"])
    assert int(worker["stop_grace_period"].rstrip("s")) > STOP_SECONDS + 3
    assert "ports" not in worker and "ports" not in services["postgres"]
    assert compose["networks"]["inside"]["internal"] is True
    proxy = services["nginx"]["networks"]["inside"]["ipv4_address"]
    assert worker["environment"]["PLATEAU_PROXIES"] == proxy
    # Who has the database has no master key, and neither user of it is an administrator.
    database = services["postgres"]
    assert (worker["env_file"], database["env_file"]) == ("secrets.env", "postgres.env")
    assert "./postgres/databases.sh:/docker-entrypoint-initdb.d/databases.sh:ro" in database["volumes"]
    assert all(service["restart"] == "unless-stopped" and service["mem_limit"] for service in services.values())


def test_the_image_runs_as_nobody_from_hashed_locks() -> None:
    lines = text("Dockerfile").splitlines()
    assert lines.index("USER 10001:10001") < next(n for n, line in enumerate(lines) if line.startswith("CMD"))
    assert not [line for line in lines if re.search(r"\b(pip install|curl|wget|ADD)\b", line)]
    assert any(line.startswith("HEALTHCHECK") for line in lines)


def test_the_image_has_the_model_compiled_code_and_no_key_to_sign_with() -> None:
    build, final = text("Dockerfile").split("\nFROM ")[1:]
    steps = [build.index(f"{step} ") for step in ("setup.py &&", "rm -rf", "compileall", "plateau model")]
    assert steps == sorted(steps)
    removed = re.findall(r"rm -rf (.+)", build)[0].split()
    assert str(KEY_FILE) in removed and str(KEY_FILE.with_suffix(".pub")) not in removed
    assert "COPY --from=build /opt/plateau /opt/plateau" in final
    # Neither secrets nor a model or key of the machine that builds get in: only what is named does.
    named = text("Dockerfile.dockerignore").splitlines()
    assert named[0] == "*"
    assert not {"!var", "!models", "!deploy", "!."} & set(named)


def test_every_command_that_is_told_exists(capsys: pytest.CaptureFixture[str]) -> None:
    written = "\n".join([OPERATIONS, *(file.read_text(encoding="utf-8") for file in FILES)])
    told = set(re.findall(r"(?:bin/|`)plateau (\w+)(?: ([a-z]\w+))?(?: (--[a-z]+))?", written))
    assert {"serve", "model", "keys", "backup", "restore", "audit", "erase"} <= {command for command, _, _ in told}
    for command, action, option in told:
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        allowed = capsys.readouterr().out
        assert ended.value.code == 0 and action in allowed and option in allowed, (command, action, option)


def test_both_nginx_files_are_one() -> None:
    named = text("nginx.conf").replace("127.0.0.1:8081", "worker1:8080").replace("127.0.0.1:8082", "worker2:8080")
    assert named.splitlines()[1:] == text("nginx.compose.conf").splitlines()[1:]
    assert int(re.findall(r"keepalive_timeout (\d+)s", named)[0]) < IDLE_SECONDS


def test_the_unit_gives_no_rights_and_the_time_to_stop() -> None:
    unit = text("systemd/plateau@.service")
    for line in (
        "NoNewPrivileges=true",
        "ProtectSystem=strict",
        "User=plateau",
        "CapabilityBoundingSet=",
        "Restart=always",
    ):
        assert f"\n{line}\n" in unit
    assert int(re.findall(r"TimeoutStopSec=(\d+)", unit)[0]) > STOP_SECONDS


def test_the_nightly_backup_keeps_data_and_keys_apart_and_keys_not_for_long() -> None:
    unit = text("systemd/plateau-backup.service")
    data, keys = (re.findall(rf"plateau backup {option}\"(\S+)/", unit) for option in ("", "--keys "))
    assert len(data) == len(keys) == 1 and data != keys
    assert f"ReadWritePaths={data[0]} {keys[0]}" in unit
    (days,) = re.findall(rf"find {keys[0]} .* -mtime \+(\d+) -delete", unit)
    told = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")
    assert int(days) == 14 and "Two weeks" in told
    assert "plateau audit --verify" in unit


def test_every_alert_asks_for_what_is_measured_and_is_told() -> None:
    (group,) = yaml.safe_load(text("prometheus-rules.yml"))["groups"]
    told = OPERATIONS
    metrics = Metrics()
    metrics.build("1", "1", Path("none"))
    names = set()
    for line in metrics.text().decode().splitlines():
        if line.startswith("# TYPE"):
            _, _, name, kind = line.split()
            ends = {"counter": ["_total"], "histogram": ["_bucket"], "info": ["_info"]}.get(kind, [""])
            names |= {name + end for end in ends}
    for rule in group["rules"]:
        asked = set(re.findall(r"\b(?:plateau|process)_[a-z_]+", rule["expr"]))
        assert asked - names == set(), rule["alert"]
        assert f"`{rule['alert']}`" in told, rule["alert"]
        assert rule["labels"]["severity"] in ("page", "ticket")
    assert [reason for reason in REASONS if f"| `{reason}` |" not in told] == []
