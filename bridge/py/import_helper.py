# SPDX-License-Identifier: MIT
"""Finds an application by its name: the part of import.c that Python says better.

Compiled into the program as text and run in a namespace of its own, which no
application can import by accident. Every function here runs on the main
thread, before the first request.
"""

import ast
import difflib
import importlib
import os
import pkgutil
import sys
import threading
import types

OK, INVALID, NOT_FOUND, RAISED = range(4)

# As in inspect, which would take its time to be imported.
CO_VARARGS, CO_COROUTINE = 4, 128


class Failure(Exception):
    """Carries the kind, one sentence for the user, and the exception to log, if any."""

    def __init__(self, kind, sentence, cause=None):
        self.kind = kind
        self.sentence = sentence
        self.cause = cause


def resolve(name):
    """Returns (OK, object, None) or (kind, sentence, exception or None)."""
    try:
        module_name, expression = split(name)
        module = import_module(module_name)
        found = evaluate(module, module_name, expression)
        insist_on_threads(module_name)
        if not callable(found):
            raise Failure(INVALID, f'"{name}" is {describe(found)}, which cannot be called;'
                                   ' name the WSGI callable itself')
        insist_on_wsgi(name, found)
        return OK, found, None
    except Failure as failure:
        return failure.kind, failure.sentence, failure.cause


def split(name):
    module_name, colon, expression = name.partition(":")
    if not module_name:
        raise Failure(INVALID, f'"{name}" names no module; write MODULE:CALLABLE,'
                               ' like "mysite.wsgi:application"')
    if module_name.endswith(".py") or "/" in module_name:
        path = module_name[:-3] if module_name.endswith(".py") else module_name
        guess = path.strip("./").replace("/", ".") + colon + expression
        raise Failure(INVALID, f'"{module_name}" is a path, not a module name;'
                               f' try "{guess}", with --chdir for its folder')
    if not all(part.isidentifier() for part in module_name.split(".")):
        raise Failure(INVALID, f'"{module_name}" is not a module name;'
                               ' write MODULE:CALLABLE, like "mysite.wsgi:application"')
    if colon and not expression.strip():
        raise Failure(INVALID, f'"{name}" has nothing behind its colon;'
                               ' write MODULE:CALLABLE, like "mysite.wsgi:application"')
    return module_name, expression.strip()


def import_module(module_name):
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if is_missing_itself(error, module_name):
            raise Failure(NOT_FOUND, f'cannot import "{module_name}": {error}'
                                     f"{similar(error.name) or searched()}")
        raised(error, f'cannot import "{module_name}": a module it needs is missing: {error}'
                      f" ({environment()})")
    except BaseException as error:
        raised(error, f'cannot import "{module_name}": it raised {summary(error)}')


def searched():
    where = ", ".join(path or os.getcwd() for path in sys.path[:3])
    more = ", …" if len(sys.path) > 3 else ""
    return f" (searched: {where}{more}; try --chdir or --pythonpath)"


def similar(missing):
    """A module beside the missing one whose name is nearly the same."""
    package, _, name = missing.rpartition(".")
    folders = getattr(sys.modules.get(package), "__path__", ()) if package else sys.path[:1]
    names = [module.name for module in pkgutil.iter_modules(folders)]
    close = difflib.get_close_matches(name, names, 1)
    return f'; did you mean "{package}{"." if package else ""}{close[0]}"?' if close else ""


def environment():
    if sys.prefix == sys.base_prefix:
        return "no virtual environment is in use: try --venv, or install it for this Python"
    return f"install it in {sys.prefix}, or name another environment by --venv"


def is_missing_itself(error, module_name):
    """The named module or a package above it, not something it imports."""
    wanted = module_name == error.name or module_name.startswith(f"{error.name}.")
    return wanted and own_traceback(error) is None


def own_traceback(error):
    """The traceback without this file's and the import system's frames on top."""
    tb = error.__traceback__
    while tb is not None:
        filename = tb.tb_frame.f_code.co_filename
        is_ours = tb.tb_frame.f_globals is globals()
        if not is_ours and "importlib" not in filename:
            return tb
        tb = tb.tb_next
    return None


def raised(error, sentence):
    error.__traceback__ = own_traceback(error)
    raise Failure(RAISED, f"{sentence}; the traceback is in the log", error) from None


def summary(error):
    text = str(error)
    name = type(error).__name__
    return f"{name}: {text}" if text else name


def evaluate(module, module_name, expression):
    if not expression:
        for guess in ("application", "app"):
            if hasattr(module, guess):
                return getattr(module, guess)
        raise Failure(NOT_FOUND, f'"{module_name}" has neither "application" nor "app";'
                                 f' name its WSGI callable: {module_name}:CALLABLE')
    try:
        node = ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError):
        node = None
    if isinstance(node, ast.Call):
        factory = attribute(module, module_name, node.func, expression)
        args, kwargs = literal_arguments(node, expression)
        return call(factory, args, kwargs, module_name, expression)
    return attribute(module, module_name, node, expression)


def attribute(module, module_name, node, expression):
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise Failure(INVALID, f'"{expression}" is neither a name, like "app" or "site.app",'
                               ' nor a call with literal arguments, like "create_app(\'x\')"')
    names.append(node.id)
    found, path = module, module_name
    for name in reversed(names):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise Failure(NOT_FOUND, f'"{path}" has no attribute "{name}"'
                                     f"{hint(found, name)}") from None
        path = f"{path}:{name}" if path == module_name else f"{path}.{name}"
    return found


def hint(owner, name):
    close = difflib.get_close_matches(name, [n for n in dir(owner) if not n.startswith("_")], 1)
    if close:
        return f'; did you mean "{close[0]}"?'
    if any(module.name == name for module in pkgutil.iter_modules(getattr(owner, "__path__", ()))):
        return f'; did you mean the module "{owner.__name__}.{name}"?'
    for guess in ("application", "app"):
        if callable(getattr(owner, guess, None)):
            return f'; it has "{guess}"'
    return "; name its WSGI callable"


def literal_arguments(node, expression):
    try:
        args = [ast.literal_eval(arg) for arg in node.args]
        kwargs = {kw.arg: ast.literal_eval(kw.value) for kw in node.keywords}
        if None in kwargs:
            raise ValueError
        return args, kwargs
    except ValueError:
        raise Failure(INVALID, f'"{expression}": arguments of a factory must be literals,'
                               ' like "x", 1, True or a list of them') from None


def call(factory, args, kwargs, module_name, expression):
    if not callable(factory):
        raise Failure(INVALID, f'"{module_name}:{expression}" calls {describe(factory)},'
                               " which cannot be called; leave the parentheses out")
    try:
        return factory(*args, **kwargs)
    except BaseException as error:
        raised(error, f'"{module_name}:{expression}" raised {summary(error)}')


def insist_on_threads(module_name):
    """gevent and eventlet replace threads by greenlets of the thread that imports them."""
    if not isinstance(threading.get_ident, types.BuiltinFunctionType):
        raise Failure(INVALID, f'"{module_name}" has threads replaced by greenlets, as the monkey'
                               " patching of gevent and eventlet does: leave it out, since calls"
                               " run on threads here, which wait for nobody")


def insist_on_wsgi(name, found):
    """Refuses what is sure to fail when a request calls it; what cannot be told is believed."""
    is_function = isinstance(found, types.FunctionType)
    function = found if is_function else getattr(type(found), "__call__", None)
    code = getattr(function, "__code__", None)
    if not isinstance(code, types.CodeType):
        return
    if code.co_flags & CO_COROUTINE:
        raise Failure(INVALID, f'"{name}" is asynchronous, as ASGI applications are, but this'
                               " server calls WSGI ones; Django has both, as asgi and wsgi")
    if is_function and not takes_two(found, code):
        module_name, _, expression = name.partition(":")
        raise Failure(INVALID, f'"{name}" does not take (environ, start_response); if it makes the'
                               f' application, write "{module_name}:{expression or found.__name__}()"')


def takes_two(function, code):
    required = code.co_argcount - len(function.__defaults__ or ())
    keywords = code.co_kwonlyargcount - len(function.__kwdefaults__ or ())
    return required <= 2 and keywords == 0 and (code.co_argcount >= 2 or code.co_flags & CO_VARARGS)


def describe(found):
    if found is None:
        return "None"
    if isinstance(found, type(sys)):
        return f'the module "{found.__name__}"'
    return f"an object of type {type(found).__name__}"
