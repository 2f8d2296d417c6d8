"""What pyproject.toml cannot say: the notebooks and reference data travel inside the package."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = {"notebooks": ("*.ipynb", ".jupyter/**/*.json"), "data/reference": ("**/*.*",)}


class WithShipped(build_py):
    """A built package has them in `helpers/shipped`; one installed as editable, in its checkout."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for folder, patterns in SHIPPED.items():
            for pattern in patterns:
                for path in sorted(Path(folder).glob(pattern)):
                    copy = Path(self.build_lib, "helpers", "shipped", path)
                    self.mkpath(str(copy.parent))
                    self.copy_file(str(path), str(copy))


setup(cmdclass={"build_py": WithShipped})
