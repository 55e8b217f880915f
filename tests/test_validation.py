"""A file's way through the web: the HTTP API against its own description, the queue, limits, and what stays."""

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from openpyxl import load_workbook

from benchmarks.observations import write
from tests.conftest import ROOT, SAMPLE, Serving, Site, environment, free_port
from tests.reading import HEADER, ROW
from vaven.catalogue.app import create_app
from vaven.catalogue.validations import KEEP_SECONDS
from vaven.publisher.settings import Settings

API = "/api/v1/validations"
FAULTY = f"{HEADER}\n{ROW}\n0180c6070,trygg-morker,2023,64.5\n"
