"""The ASGI application that uvicorn serves as the emulator; imported only in the emulator's environment."""

import os
from pathlib import Path

from ministack.app import app as ministack
from ministack.core import lambda_runtime
from ministack.services import apigateway, dynamodb, dynamodb_streams, lambda_svc
from ministack.services.cloudformation import provisioners

from local.deployment.emulator import DECISIONS_VARIABLE, STATE_VARIABLE
from local.emulation.concurrency_limit import limit_concurrency, limit_events
from local.emulation.cors import read_template_names
from local.emulation.exact_numbers import add_exactly
from local.emulation.expiry import expire_as_templates_say, record_expiries
from local.emulation.foreign_pages import refuse_foreign_pages
from local.emulation.forking import fork_functions
from local.emulation.function_process import prepare_processes
from local.emulation.payload_limit import limit_payload
from local.emulation.policies import enforce_policies
from local.emulation.process_group import tell_process
from local.emulation.sequence_numbers import find_by_number
from local.emulation.source_mappings import leave_mappings
from local.emulation.state import keep_state

record_expiries(vars(dynamodb))
expire_as_templates_say(vars(provisioners)["_RESOURCE_HANDLERS"], vars(dynamodb))
prepare_processes(vars(lambda_runtime))
fork_functions(vars(lambda_runtime))
limit_events(vars(lambda_svc))
leave_mappings(vars(lambda_svc))
read_template_names(vars(apigateway))
find_by_number(vars(dynamodb_streams))
add_exactly(vars(dynamodb))
app = tell_process(limit_payload(limit_concurrency(ministack)))
if DECISIONS_VARIABLE in os.environ:
    app = enforce_policies(app, Path(os.environ[DECISIONS_VARIABLE]))
if STATE_VARIABLE in os.environ:
    app = keep_state(app, Path(os.environ[STATE_VARIABLE]))
app = refuse_foreign_pages(app)
