"""Renderings by `kubectl kustomize`: the overlays, and each combination of components that is documented."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

import yaml

from tests.deploy.rules.manifests import Manifest, Rendered

K8S = Path(__file__).parents[2] / "deploy" / "k8s"
PROGRAMS = Path(sys.prefix) / "bin"
OVERLAYS = tuple(sorted(f"overlays/{path.parent.name}" for path in K8S.glob("overlays/*/kustomization.yaml")))
COMPONENTS = tuple(sorted(path.parent.name for path in K8S.glob("components/*/kustomization.yaml")))


@lru_cache
def render_overlay(name: str) -> Rendered:
    """What `kubectl apply -k deploy/k8s/overlays/...` would send."""
    return Rendered(name, _kustomize(K8S / name))


@lru_cache
def render_combination(base: str, *components: str) -> Rendered:
    """`base` with these components in this order, as a reader's own overlay would name them."""
    with tempfile.TemporaryDirectory() as folder:
        # Roots are named relative to the overlay; the real path, for a link would lead elsewhere.
        here = Path(folder).resolve()
        names = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [os.path.relpath(K8S / base, here)],
            "components": [os.path.relpath(K8S / "components" / each, here) for each in components],
        }
        (here / "kustomization.yaml").write_text(yaml.safe_dump(names), encoding="utf-8")
        return Rendered("+".join((base, *components)), _kustomize(here))


def _kustomize(folder: Path) -> tuple[Manifest, ...]:
    done = subprocess.run(
        [PROGRAMS / "kubectl", "kustomize", str(folder)], capture_output=True, text=True, timeout=60, check=False
    )
    # Warnings too: a deprecated field is one that stops working.
    problem = done.stderr or done.returncode
    assert not problem, f"kubectl kustomize {folder.name}: {problem}"
    return tuple(each for each in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if each)


COMBINATIONS: tuple[tuple[str, ...], ...] = (
    ("base", "external-qdrant", "network-policies"),
    ("base", "external-qdrant", "object-storage", "network-policies"),
    ("base", "external-qdrant", "encoder-weights", "gpu-nvidia", "network-policies"),
    ("base", "qdrant-cluster", "network-policies"),
    ("base", "qdrant-cluster", "ingress", "network-policies"),
    ("base", "qdrant-cluster", "object-storage", "network-policies"),
    ("base", "qdrant-cluster", "keda", "network-policies"),
    ("base", "qdrant-cluster", "monitoring", "network-policies"),
    ("base", "qdrant-cluster", "generator-openai", "network-policies"),
    ("base", "qdrant-cluster", "url-fetching", "network-policies"),
    ("base", "qdrant-cluster", "captions-openai", "network-policies"),
    ("base", "qdrant-cluster", "encoder-bulk", "network-policies"),
    ("base", "qdrant-cluster", "encoder-weights", "network-policies"),
    ("base", "encoder-bulk", "encoder-weights", "gpu-nvidia", "qdrant-cluster", "object-storage", "keda",
     "monitoring", "generator-openai", "captions-openai", "url-fetching", "ingress", "network-policies"),
    ("overlays/prod", "generator-openai"),
    ("overlays/cpu", "keda", "monitoring"),
    ("overlays/cpu", "object-storage"),
)  # fmt: skip
"""What docs/kubernetes.md offers to combine; each must hold all rules, as the overlays do."""
EVERYTHING = (*((name,) for name in OVERLAYS), *COMBINATIONS)


def render(parts: tuple[str, ...]) -> Rendered:
    """One of `EVERYTHING`."""
    return render_overlay(parts[0]) if len(parts) == 1 else render_combination(*parts)
