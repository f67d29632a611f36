"""Every action, with what it acts upon and how it is asked for at each door."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine

from actions import (
    alarms,
    batches,
    budgets,
    callbacks,
    connections,
    flags,
    people,
    redo,
    requeue,
    review,
    samples,
    selection,
    tokens,
    webhooks,
    writebacks,
)
from tests.actions.doors import Form, NoDoor, Request, Typed
from tests.actions.ground import (
    DECISION,
    a_known_alarm,
    a_paused_shop,
    a_person,
    a_shop,
    a_shop_that_told,
    a_shop_that_was_told,
    a_token,
    a_writable_shop,
    bad_canary,
    cancelled,
    clean,
    dead,
    flagged,
    held,
    paused,
    rejected,
    sampled,
    skipped,
    some,
    waiting_for_budget,
)

PASSWORD = "correct horse battery"
ADMINS = NoDoor("a token gives no right to hand out rights")
BY_HAND = NoDoor("photos are chosen on a sheet of them; elsewhere jobs are named one by one")
LOOKED_AT = NoDoor("a sample is looked at on a page, and signed by who did so")
SHOPS = NoDoor("connections are looked after by people")


@dataclass(frozen=True, slots=True)
class Case:
    """An action.

    Args:
        action: The function.
        prepare: Makes what it acts upon.
        typed: How it is asked for by the command line.
        request: How it is asked for over REST.
        form: How it is asked for on a page.
        audited: What the audit log tells of it: action, target and detail of each line.
        asks_again: Whether a refused account is asked again at once.
    """

    action: Callable[..., object]
    prepare: Callable[[Engine], object]
    typed: Typed | NoDoor
    request: Request | NoDoor
    form: Form | NoDoor
    audited: tuple[tuple[str, str, str], ...]
    asks_again: bool = False


CASES = [
    Case(
        alarms.acknowledge,
        some,
        Typed(("alarms", "acknowledge", "account-refused", "--hours", "8")),
        Request("alarms/account-refused/acknowledge", {"hours": 8}),
        Form("/alarms/account-refused/acknowledge", {"hours": "8"}),
        (("acknowledge", "alarm account-refused", "8 h"),),
    ),
    Case(
        alarms.raise_again,
        a_known_alarm,
        Typed(("alarms", "raise", "account-refused")),
        Request("alarms/account-refused/raise"),
        Form("/alarms/account-refused/raise", {}),
        (
            ("acknowledge", "alarm account-refused", "until it changes"),
            ("raise again", "alarm account-refused", ""),
        ),
    ),
    Case(
        alarms.ask_now,
        some,
        Typed(("alarms", "ask-now")),
        Request("alarms/ask-now"),
        Form("/alarms/ask-now", {}),
        (("ask the API", "", ""),),
        asks_again=True,
    ),
    Case(
        batches.pause,
        some,
        Typed(("pause", "1")),
        Request("batches/1/pause"),
        Form("/batches/1/pause", {}),
        (("pause", "batch 1", ""),),
    ),
    Case(
        batches.resume,
        paused,
        Typed(("resume", "1")),
        Request("batches/1/resume"),
        Form("/batches/1/resume", {}),
        (("resume", "batch 1", ""),),
        asks_again=True,
    ),
    Case(
        batches.resume,
        bad_canary,
        Typed(("resume", "1")),
        Request("batches/1/resume"),
        Form("/batches/1/resume", {"agreed": "8"}),
        (("resume", "batch 1", "although its canary failed"),),
    ),
    Case(
        batches.cancel,
        some,
        Typed(("cancel", "1")),
        Request("batches/1/cancel"),
        Form("/batches/1/cancel", {"agreed": "4"}),
        (("cancel", "batch 1", "4 photos"),),
    ),
    Case(
        requeue.requeue,
        dead,
        Typed(("requeue", "1", "--code", "801")),
        Request("batches/1/requeue", {"code": "801"}),
        Form("/batches/1/requeue", {"code": "801", "agreed": "2"}),
        (("requeue", "batch 1", "2 failed photos with code 801"),),
        asks_again=True,
    ),
    Case(
        requeue.requeue,
        cancelled,
        Typed(("requeue", "1", "--cancelled")),
        Request("batches/1/requeue", {"cancelled": True}),
        Form("/batches/1/requeue", {"state": "cancelled", "agreed": "4"}),
        (("cancel", "batch 1", "4 photos"), ("requeue", "batch 1", "4 cancelled photos")),
    ),
    Case(
        requeue.requeue,
        skipped,
        Typed(("requeue", "1", "--code", "nothing_to_remove")),
        Request("batches/1/requeue", {"code": "nothing_to_remove"}),
        Form("/batches/1/requeue", {"code": "nothing_to_remove", "agreed": "2"}),
        (("requeue", "batch 1", "2 skipped photos"),),
        asks_again=True,
    ),
    Case(
        requeue.requeue_one,
        dead,
        NoDoor("typed are a batch and a code; one photo is found on its page, or listed over REST"),
        Request("jobs/1/requeue"),
        Form("/jobs/1/requeue", {"agreed": "1"}),
        (("requeue", "job 1", ""),),
        asks_again=True,
    ),
    Case(
        review.accept,
        held,
        Typed(("accept", "1")),
        Request("jobs/1/accept"),
        Form("/jobs/1/accept", {}),
        (("accept", "job 1", ""), ("accept", "job 2", "the same photo as job 1")),
    ),
    Case(
        review.reject,
        held,
        Typed(("reject", "1")),
        Request("jobs/1/reject"),
        Form("/jobs/1/reject", {}),
        (("reject", "job 1", ""), ("reject", "job 2", "the same photo as job 1")),
    ),
    Case(
        review.reject,
        clean,
        Typed(("reject", "1")),
        Request("jobs/1/reject"),
        Form("/jobs/1/reject", {}),
        (("reject", "job 1", ""),),
    ),
    Case(
        flags.flag,
        clean,
        Typed(("flag", "1")),
        Request("jobs/1/flag"),
        Form("/jobs/1/flag", {}),
        (("flag", "job 1", ""),),
    ),
    Case(
        flags.unflag,
        flagged,
        Typed(("unflag", "1")),
        Request("jobs/1/unflag"),
        Form("/jobs/1/unflag", {}),
        (("unflag", "job 1", ""),),
    ),
    Case(
        selection.accept_all,
        held,
        BY_HAND,
        BY_HAND,
        Form("/batches/1/sheet/accept", {"jobs": "1,3,4"}),
        (("accept", "batch 1", "2 chosen photos"),),
    ),
    Case(
        selection.reject_all,
        held,
        BY_HAND,
        BY_HAND,
        Form("/batches/1/sheet/reject", {"jobs": "1,4", "reason": "smeared"}),
        (("reject", "batch 1", "2 chosen photos: smeared"),),
    ),
    Case(
        selection.requeue_all,
        dead,
        BY_HAND,
        BY_HAND,
        Form("/batches/1/sheet/requeue", {"jobs": "1,2,3", "agreed": "2"}),
        (("requeue", "batch 1", "2 chosen photos"),),
        asks_again=True,
    ),
    Case(
        selection.undo,
        rejected,
        BY_HAND,
        BY_HAND,
        Form("/batches/1/sheet/undo", {"decision": DECISION}),
        (("reject", "batch 1", "1 chosen photo"), ("undo", "batch 1", "1 photo")),
    ),
    Case(
        samples.draw,
        clean,
        LOOKED_AT,
        LOOKED_AT,
        Form("/batches/1/samples", {"size": "5"}),
        (("draw sample", "batch 1", "1 of 1 photo"),),
    ),
    Case(
        samples.sign_off,
        sampled,
        LOOKED_AT,
        LOOKED_AT,
        Form("/batches/1/samples/1/sign-off", {}),
        (
            ("draw sample", "batch 1", "1 of 1 photo"),
            (
                "sign off",
                "batch 1",
                "1 of 1 clean photo checked, 0 bad: with 95% confidence at most 95.0% of all (0) are bad",
            ),
        ),
    ),
    Case(
        redo.do_again,
        clean,
        NoDoor("it begins with a painting over what a page shows"),
        NoDoor("it begins with a painting over what a page shows"),
        Form("/jobs/1/redo", {"mask": "box 10,20,30,40", "ground": "output"}),
        (("redo", "job 1", "as job 5"),),
    ),
    Case(
        budgets.set_limits,
        waiting_for_budget,
        Typed(("budget", "1", "--max-calls", "7")),
        Request("batches/1/budget", {"max_calls": 7}),
        Form("/batches/1/budget", {"max_calls": "7"}),
        (("budget", "batch 1", "7 calls"),),
    ),
    Case(
        budgets.set_limits,
        some,
        Typed(("budget", "1", "--max-calls", "7", "--max-cost", "1.5")),
        Request("batches/1/budget", {"max_calls": 7, "max_cost": 1.5}),
        Form("/batches/1/budget", {"max_calls": "7", "max_cost": "1.5"}),
        (("budget", "batch 1", "7 calls, 1.50 USD"),),
    ),
    Case(
        connections.connect,
        some,
        Typed(("connect", "json", "A shop", "--elements", "1,2", "--callback-url", "https://shop.example/told")),
        ADMINS,
        Form(
            "/connections",
            {"platform": "json", "shop": "A shop", "element": ["1", "2"], "callback_url": "https://shop.example/told"},
        ),
        (("connect", "connection 1", "A shop, json"),),
    ),
    Case(
        connections.rotate,
        a_shop,
        Typed(("connections", "rotate", "1")),
        ADMINS,
        Form("/connections/1/rotate", {}),
        (("rotate secret", "connection 1", ""),),
    ),
    Case(
        connections.close,
        a_shop,
        Typed(("connections", "close", "1")),
        ADMINS,
        Form("/connections/1/close", {}),
        (("close", "connection 1", ""),),
    ),
    Case(
        writebacks.set_mode,
        a_writable_shop,
        Typed(("writeback", "mode", "1", "auto")),
        ADMINS,
        Form("/connections/1/writeback", {"mode": "auto"}),
        (("write-back", "connection 1", "auto"),),
    ),
    Case(
        writebacks.pause_writing,
        a_writable_shop,
        Typed(("writeback", "pause", "1")),
        SHOPS,
        Form("/connections/1/pause", {}),
        (("pause write-back", "connection 1", ""),),
    ),
    Case(
        writebacks.resume_writing,
        a_paused_shop,
        Typed(("writeback", "resume", "1")),
        SHOPS,
        Form("/connections/1/resume", {}),
        (("resume write-back", "connection 1", ""),),
    ),
    Case(
        writebacks.release,
        a_writable_shop,
        Typed(("writeback", "release", "1", "--photo", "1")),
        SHOPS,
        Form("/connections/1/release", {"photo": ["1"]}),
        (("put into the shop", "connection 1", "1 photo"),),
    ),
    Case(
        writebacks.send_again,
        a_writable_shop,
        Typed(("writeback", "again", "1")),
        SHOPS,
        Form("/connections/1/again", {"all": "yes"}),
        (("send again", "connection 1", "1 photo"),),
    ),
    Case(
        writebacks.restore,
        a_writable_shop,
        Typed(("restore", "1")),
        SHOPS,
        Form("/connections/1/restore", {"all": "yes"}),
        (("restore", "connection 1", "1 photo"),),
    ),
    Case(
        callbacks.tell_again,
        a_shop_that_was_told,
        NoDoor("a page lists what was told"),
        SHOPS,
        Form("/connections/1/callbacks/1/again", {}),
        (("tell again", "connection 1", "callback 1"),),
    ),
    Case(
        webhooks.take_again,
        a_shop_that_told,
        NoDoor("a page lists what was told"),
        SHOPS,
        Form("/connections/1/webhooks/1/again", {}),
        (("take again", "connection 1", "webhook 1: 1 photo"),),
    ),
    Case(
        tokens.create,
        some,
        Typed(("token", "create", "ci", "--scope", "read", "--scope", "operate")),
        ADMINS,
        Form("/tokens", {"name": "ci", "scope": ["read", "operate"]}),
        (("make token", "token ci", "read, operate"),),
    ),
    Case(
        tokens.revoke,
        a_token,
        Typed(("token", "revoke", "2")),
        ADMINS,
        Form("/tokens/2/revoke", {}),
        (("revoke", "token 2", ""),),
    ),
    Case(
        people.add,
        some,
        Typed(("user", "add", "bob", "--role", "operator", "--password-stdin"), f"{PASSWORD}\n"),
        ADMINS,
        Form("/people", {"name": "bob", "role": "operator", "password": PASSWORD}),
        (("add person", "bob", "operator"),),
    ),
    Case(
        people.change_role,
        a_person,
        Typed(("user", "role", "bob", "--role", "operator")),
        ADMINS,
        Form("/people/bob/role", {"role": "operator"}),
        (("change role", "bob", "operator"),),
    ),
    Case(
        people.change_password,
        a_person,
        Typed(("user", "password", "bob", "--password-stdin"), f"{PASSWORD}\n"),
        ADMINS,
        NoDoor("nobody types another's password into a page; a link lets them in"),
        (("change password", "bob", ""),),
    ),
    Case(
        people.make_link,
        a_person,
        Typed(("user", "link", "bob")),
        ADMINS,
        Form("/people/bob/link", {}),
        (("make link", "bob", ""),),
    ),
    Case(
        people.remove,
        a_person,
        Typed(("user", "remove", "bob")),
        ADMINS,
        Form("/people/bob/remove", {}),
        (("remove person", "bob", ""),),
    ),
]
