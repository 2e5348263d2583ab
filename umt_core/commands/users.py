"""``users``: who may sign in to the app, and what each may do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from umt_core.commands.console import TextTable, out
from umt_core.errors import AccessError

if TYPE_CHECKING:
    from umt_core.access.passwords import Hash

app = typer.Typer(no_args_is_help=True, help="Who may sign in to the app, and what each may do.")
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The author of what they do.")]
ROLES = "view, annotate, train or promote; each may do what those before it may."
RoleOption = Annotated[str, typer.Option(help=ROLES)]
StdinOption = Annotated[bool, typer.Option("--password-stdin", help="Read the password from the first line of stdin.")]


@app.command()
def add(
    name: NameArgument,
    role: RoleOption,
    email: Annotated[
        str, typer.Option(help="By which an OpenID provider knows them; then a password is not asked.")
    ] = "",
    password_stdin: StdinOption = False,
) -> None:
    """Add a user; the password is asked for."""
    from umt_core.access.users import User, add_user, role_of

    name, known = " ".join(name.split()), role_of(role)
    add_user(User(name, known, email.strip(), _password(name, password_stdin) if password_stdin or not email else None))
    out.print(f"{name} may {known}", markup=False, highlight=False)


@app.command("list")
def list_() -> None:
    """All users, their roles, and how they sign in."""
    from umt_core.access.users import read_users, users_path

    table = TextTable("name", "role", "signs in by", title=str(users_path()))
    for user in read_users().values():
        ways = (["password"] if user.password else []) + ([user.email] if user.email else [])
        table.add_row(user.name, user.role, ", ".join(ways))
    out.print(table)


@app.command()
def role(name: NameArgument, role: Annotated[str, typer.Argument(metavar="ROLE", help=ROLES)]) -> None:
    """Give a user another role; it holds from their next click on."""
    from umt_core.access.users import change_user, role_of

    user = change_user(name, role=role_of(role))
    out.print(f"{user.name} may {user.role}", markup=False, highlight=False)


@app.command()
def password(name: NameArgument, password_stdin: StdinOption = False) -> None:
    """Give a user another password; it signs them out."""
    from umt_core.access.users import change_user, find_user, read_users

    user = find_user(read_users(), name)
    change_user(name, password=_password(user.name, password_stdin))
    out.print(f"{user.name} has another password", markup=False, highlight=False)


@app.command()
def remove(name: NameArgument) -> None:
    """Take a user away; what they did stays theirs, and they are signed out."""
    from umt_core.access.users import remove_user

    remove_user(name)
    out.print(f"{name} may not sign in any more", markup=False, highlight=False)


@app.command()
def check(address: Annotated[str, typer.Option(help="That the app is to be served on; empty: all.")] = "") -> None:
    """Whether the app would start on an address: 0, or 2 and a line that says what is missing."""
    from umt_core.access.door import door

    door(address)


def _password(name: str, from_stdin: bool) -> Hash:
    from umt_core.access.passwords import SHORTEST, hash_password

    if from_stdin:
        return hash_password(sys.stdin.readline().rstrip("\r\n"), name)
    if not sys.stdin.isatty():
        raise AccessError("wanted a terminal to ask for the password, got none; --password-stdin reads it")
    return hash_password(
        typer.prompt(f"Password, {SHORTEST} characters or more", hide_input=True, confirmation_prompt=True), name
    )
