"""Packaging: `pip install .` gives the commands kegnet-client, kegnet-meter and kegnet-server.

The three executables in lib/ become modules of the package kegnet.commands, so that site-packages
gets no module with a name as common as `client`.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

setup(
    name="kegnet-client",
    version=re.search('__version__ = "(.+)"', (HERE / "lib/kegnet/__init__.py").read_text())[1],
    description="Sends a kegerator's temperature and pours to the KegNet REST API",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    package_dir={"": "lib", "kegnet.commands": "lib"},
    packages=[*find_packages("lib", include=["kegnet", "kegnet.*"]), "kegnet.commands"],
    install_requires=[
        "pyinotify",
        "pyasyncore; python_version >= '3.12'",
        "M2Crypto >= 0.38",
        # 2.32.0 to 2.32.2 chose the TLS context in another way; the first two were withdrawn from PyPI. See tests/tls-matrix.
        "requests >= 2.28.1, != 2.32.0, != 2.32.1, != 2.32.2",
        "urllib3 >= 1.26.12",
    ],
    extras_require={
        "server": [
            "fastapi >= 0.92",
            "uvicorn >= 0.17.6",
            "sqlalchemy >= 1.4.46",
            "alembic >= 1.8",
            "cryptography >= 38",
            "itsdangerous >= 2.1",
            "jinja2 >= 3.1",
            "prometheus-client >= 0.16",
            "paho-mqtt >= 1.6",
            "defusedxml >= 0.7",
            "segno >= 1.4",
        ],
        "postgresql": ["psycopg2 >= 2.9"],
        "notifications": ["apprise >= 1.2"],
    },
    package_data={
        "kegnet.server.storage": ["migrations/*.py", "migrations/versions/*.py"],
        "kegnet.server.web": ["static/*", "static/uplot/*", "templates/*"],
    },
    entry_points={
        "console_scripts": [
            "kegnet-client = kegnet.commands.client:main",
            "kegnet-meter = kegnet.commands.meter:main",
            "kegnet-server = kegnet.commands.server:main [server]",
        ]
    },
    classifiers=[
        "Environment :: No Input/Output (Daemon)",
        "Operating System :: POSIX :: Linux",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in range(11, 14)),
    ],
)
