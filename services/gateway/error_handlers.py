"""Every error that a route raises, as a problem."""

from __future__ import annotations

from typing import cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.common.errors import ImageragError
from services.gateway.problems import OUTCOME, Problem, http_problem, problem_of, validation_problem


def add_error_handlers(app: FastAPI) -> None:
    """Show the error tree, validation mistakes and HTTP's own errors as problems.

    What is none of these passes through to the edge, which logs it and shows a fixed text.
    """
    app.add_exception_handler(ImageragError, _domain_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)


async def _domain_error(request: Request, error: Exception) -> Response:
    return show(request, problem_of(error))


async def _validation_error(request: Request, error: Exception) -> Response:
    return show(request, validation_problem(cast(RequestValidationError, error).errors()))


async def _http_error(request: Request, error: Exception) -> Response:
    known = cast(HTTPException, error)
    return show(request, http_problem(known.status_code, known.headers))


def show(request: Request, problem: Problem) -> Response:
    """The answer that shows `problem`, with its code left for metrics and audit."""
    request.scope[OUTCOME] = problem.code
    return problem.response()
