"""The verbs of people and roles, with everything that is said of each, and the journal rows that come from no entry."""

from backend.core.examples import OTHER, example
from backend.core.roles import ADMINISTERING
from backend.core.verb import DECIDERS, Event, HeldRule, Verb
from backend.people import administering, devices
from backend.people.schemas import (
    DeviceReceipt,
    EndPerson,
    EndRole,
    EnterDevice,
    EnterPerson,
    GrantRole,
    MovePerson,
    PersonReceipt,
    RenamePerson,
    RoleReceipt,
)

TAG = "People · 人员"
ORGAN = "330102010000"
BY_ADMINISTRATORS = HeldRule(listed_to=ADMINISTERING, shown_to=ADMINISTERING, decided_by=ADMINISTERING)
VERBS = (
    Verb(
        name="people/enter", entry=EnterPerson, receipt=PersonReceipt, record=administering.enter, may=DECIDERS,
        concerned=administering.concerned, field=False, told_to="readers", held=BY_ADMINISTRATORS,
        tag=TAG, zh="登记人员", en="Enter a person",
        codes=("second_factor_needed", "unknown_kind", "unknown_organ", "badge_looks_alike", "badge_held",
               "unknown_formerly", "serves_already", "confirmation_needed", "end_before_start", "own_matter",
               "time_out_of_range"),
        example=example(badge="FJ3001", name="林小川", kind="duty_auxiliary", organ=ORGAN, serves_from="2026-03-01"),
    ),
    Verb(
        name="people/move", entry=MovePerson, receipt=PersonReceipt, record=administering.move, may=DECIDERS,
        concerned=administering.concerned, field=False, told_to="readers", held=BY_ADMINISTRATORS,
        tag=TAG, zh="调动人员", en="Move a person",
        codes=("second_factor_needed", "unknown_kind", "unknown_person", "own_matter", "unknown_organ", "badge_held",
               "nothing_changes", "end_before_start", "time_out_of_range"),
        example=example(person=OTHER, organ=ORGAN, kind="civilian_auxiliary", serves_from="2026-03-01"),
    ),
    Verb(
        name="people/rename", entry=RenamePerson, receipt=PersonReceipt, record=administering.rename, may=DECIDERS,
        concerned=administering.concerned, field=False, told_to="readers", held=BY_ADMINISTRATORS,
        tag=TAG, zh="人员改名", en="Rename a person",
        codes=("second_factor_needed", "unknown_person", "own_matter", "badge_held", "nothing_changes",
               "confirmation_needed"),
        example=example(person=OTHER, name="林晓川", confirm=True),
    ),
    Verb(
        name="people/end", entry=EndPerson, receipt=PersonReceipt, record=administering.end, may=DECIDERS,
        concerned=administering.concerned, field=False, told_to="readers", held=BY_ADMINISTRATORS,
        tag=TAG, zh="人员离职", en="End a person's service",
        codes=("second_factor_needed", "unknown_person", "own_matter", "badge_held", "nothing_changes",
               "end_before_start", "time_out_of_range"),
        example=example(person=OTHER, last_day="2026-03-31"),
    ),
    Verb(
        name="roles/grant", entry=GrantRole, receipt=RoleReceipt, record=administering.grant, may=DECIDERS,
        concerned=administering.concerned, field=False, told_to="readers", held=BY_ADMINISTRATORS,
        tag=TAG, zh="授予角色", en="Grant a role",
        codes=("second_factor_needed", "unknown_person", "own_matter", "unknown_organ", "end_before_start",
               "time_out_of_range"),
        example=example(person=OTHER, role="commander", organ=ORGAN, valid_from="2026-03-01"),
    ),
    Verb(
        name="roles/end", entry=EndRole, receipt=RoleReceipt, record=administering.end_role, may=DECIDERS,
        concerned=administering.concerned, field=False, told_to="readers", held=BY_ADMINISTRATORS,
        tag=TAG, zh="收回角色", en="End a role",
        codes=("second_factor_needed", "unknown_person", "own_matter", "unknown_organ", "unknown_role",
               "time_out_of_range"),
        example=example(person=OTHER, role="commander", organ=ORGAN, last_day="2026-03-31"),
    ),
    Verb(
        name="devices/enter", entry=EnterDevice, receipt=DeviceReceipt, record=devices.enter, may=DECIDERS,
        field=False, told_to="nobody", held=BY_ADMINISTRATORS,
        tag="Devices · 设备", zh="设备入册", en="Enter a device",
        codes=("second_factor_needed", "unknown_organ", "device_elsewhere"),
        example=example(serial="HH-0001", name="手持终端 1 号", kind="handheld", organ=ORGAN),
    ),
)  # fmt: skip

EVENTS = (
    Event("devices/code", told_to="administrators", zh="生成设备登记码", en="Make an enrolment code for a device"),
    Event("devices/enrol", told_to="administrators", zh="设备登记", en="Enrol a device"),
    Event("devices/revoke", told_to="administrators", zh="吊销设备", en="Revoke a device"),
    Event("devices/reinstate", told_to="administrators", zh="恢复设备", en="Reinstate a device"),
    Event("me/totp", told_to="nobody"),
    Event("me/totp-confirm", told_to="nobody"),
    Event("people/totp-reset", told_to="administrators", zh="重置动态验证码", en="Reset a second factor"),
    Event("people/password", told_to="administrators", zh="由运维人员设置口令", en="Set a password, by an operator"),
    Event("people/import", told_to="administrators", zh="导入名册", en="Import a roster"),
    Event("sessions/open", told_to="actor"),
    Event("sessions/close", told_to="actor"),
    Event("sessions/factor", told_to="actor"),
    Event("sessions/reused", told_to="actor"),
    Event("sessions/password", told_to="actor"),
)
