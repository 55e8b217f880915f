"""The wheel, built and installed beside PyPI's package `catalogue`, keeps working."""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

from tests.conftest import ROOT, SAMPLE
from tests.servers.process import BUILD, installed

# Installing everything anew would take minutes; a wheel's own question is whether its files are all there.
SCRIPT = """
import sys
import catalogue  # spaCy's, from PyPI
import vaven.catalogue, vaven.publisher, vaven.schemas, vaven.vocab
from vaven.catalogue.app import create_app
from vaven.publisher.publish import publish
from vaven.publisher.settings import Settings
from pathlib import Path
assert hasattr(catalogue, "create"), catalogue.__file__
assert sys.argv[2] in vaven.catalogue.__file__, vaven.catalogue.__file__
settings = Settings(home=Path(sys.argv[1]))
publish(Path(vaven.catalogue.__file__).parent / "sample" / "exempel.xlsx", settings)
app = create_app(settings)
client = app.test_client()
editor = ("/static/sparql/editor.js", "/static/vendor/yasqe.min.js", "/sparql/kommuner.geojson")
for path in (*editor, "/", "/static/site.css", "/sparql", "/kpi/tillit", "/template.xlsx", "/help"):
    assert client.get(path, headers={"Accept": "text/html"}).status_code == 200, path
app.extensions["vaven"].close()
print("all there")
"""


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=cwd, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_works_beside_pypis_catalogue(tmp_path: Path) -> None:
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns(
        ".venv", ".git", "node_modules", "build", "var", "*.egg-info", "__pycache__", "screenshots", ".*_cache"
    )
    shutil.copytree(ROOT, source, ignore=ignored, symlinks=True)
    wheels = installed(BUILD / "wheels", Path(__file__).with_name("requirements-wheel.txt"))
    offline = ("-q", "--no-deps", "--disable-pip-version-check", "--no-index", "--find-links", wheels)
    run(sys.executable, "-m", "pip", "wheel", *offline, "-w", tmp_path, source)
    (wheel,) = tmp_path.glob("vaven-*.whl")
    folder = tmp_path / "environment"
    # The dependencies are seen through a .pth file; the editable install of the project is not.
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", *offline, wheel, "catalogue")
    site = next((folder / "lib").glob("python3*/site-packages"))
    outside = next(p for p in sys.path if p.endswith("site-packages"))
    (site / "dependencies.py").write_text(
        f"import sys\nsys.path.append({outside!r})\n"
        "sys.meta_path[:] = [f for f in sys.meta_path if '__editable__' not in type(f).__module__ + repr(f)]\n"
    )
    (site / "dependencies.pth").write_text("import dependencies\n")
    assert run(python, "-c", SCRIPT, tmp_path / "home", str(folder), cwd=tmp_path).strip() == "all there"
    assert SAMPLE.exists()
