"""What pyproject.toml cannot say: a wheel also holds the measured rows that calculators show."""

import shutil
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from widgets.benchmarks import FILES  # noqa: E402


class WithRows(build_py):
    """Copies the rows beside the calculators; a checkout has them where they are kept."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "widgets" / "measured"
            target.mkdir(exist_ok=True)
            for name in FILES:
                shutil.copy(HERE / "benchmarks" / name, target)


setup(cmdclass={"build_py": WithRows})
