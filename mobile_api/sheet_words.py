"""Chinese headings of a list's workbook, by the name of a row's field; and Chinese words for codes in it.

`Row.field` says what the field is called in that row alone. A field's own description gives the words for its codes
where it lists them (`patrol 巡逻, post 值守`).
"""

from backend.people.roster_words import DEVICES, ROLES, kinds

ORGANS = frozenset({"organ", "parent", "handled_in", "decided_in", "asked_in"})  # they hold the code of an organ
CODE, NAME = "代码", "名称"

FIELDS = {
    "about": "所涉事项编号", "accuracy_m": "精度（米）", "acknowledged_at": "接警时间",
    "accepted_at": "受理时间", "acknowledged_by": "接警人编号", "activity": "勤务行为编号",
    "actor_badge": "操作人警号", "against": "被申诉人编号",
    "against_organ": "属单位责任", "allowed": "已批准", "anonymous": "匿名", "answer": "答复",
    "answer_by": "答复期限", "answered_at": "答复时间", "answered_by": "答复人编号", "applicant": "申请人",
    "apply_by": "申请认定期限", "arrived_at": "到场时间", "article": "依据条款", "asked_at": "提出时间",
    "asked_by": "提请人编号", "asked_in": "呼叫单位代码", "asked_why": "提请理由",
    "at": "时间", "auxiliary": "辅警编号", "auxiliary_name": "辅警姓名",
    "badge": "警号", "by_person": "说明人编号", "bytes": "大小（字节）", "called_at": "求助时间",
    "called_first": "先呼叫人员编号", "camera_serial": "记录仪编号", "capacity": "申请人身份",
    "case_kind": "案件类型", "case_ref": "案件编号", "case_state": "案件进展", "case_told_at": "进展时间",
    "case_words": "案件说明", "category": "保全类别", "channel": "来源渠道",
    "checked_in_at": "到岗时间", "checkpoint": "校验点", "closed_at": "办结时间", "closed_by": "办结人编号",
    "code": "代码", "codec": "编码格式", "complainant": "投诉人", "concluded_at": "办结时间",
    "contact": "联系方式", "content": "内容", "counted_until": "计算截止", "datum": "坐标系", "days_left": "剩余天数",
    "decide_by": "决定期限", "decided_at": "决定时间", "decided_by": "决定人编号", "decided_in": "决定单位代码",
    "decided_why": "决定理由", "depth": "层级", "device": "设备编号", "disposed_at": "销毁时间",
    "done_at": "完成时间", "drawn_at": "抽取时间", "due_at": "期限", "duty_type": "勤务类型",
    "emergency": "紧急情况", "end_by": "办结期限", "ended_at": "结束时间", "ended_by": "结束方式",
    "ends_at": "计划结束", "enrolled_at": "登记时间", "explained": "已说明",
    "extended_from": "延期前期限", "extension_asked": "申请延至", "extension_told_at": "告知延期时间",
    "facts": "内容", "fatal": "死亡",
    "fed_back_at": "反馈时间", "file_name": "文件名", "filmed": "有画面时段（毫秒）",
    "fix_age_ms": "定位距今（毫秒）", "found": "发现问题",
    "found_at": "发现时间", "ground": "回避事由", "handled_in": "经办单位代码", "id": "编号",
    "in_force": "有效", "incident_ref": "接处警编号",
    "in_full": "可见全部内容", "injured_at": "负伤时间", "issued_at": "领用时间",
    "issued_by": "发放人编号", "jkt": "密钥指纹", "key_mark": "重点标记", "kind": "类型", "lat": "纬度",
    "leader": "带班领导", "leads_from": "带班开始", "locked_until": "锁定至", "lon": "经度",
    "media_type": "媒体类型", "mediation": "调解编号",
    "message": "说明", "mock": "模拟定位", "name": "姓名", "needs_approval": "须审批",
    "notice_by": "告知期限", "noticed_at": "告知时间", "number": "文号", "occurred_at": "发生时间",
    "appeal_to": "申诉受理单位代码", "appeal_to_name": "申诉受理单位", "auxiliary_badge": "辅警编号（警号）",
    "dispute": "否认内容", "dispute_by": "否认期限", "disputed_at": "否认时间", "findings": "待说明事项",
    "officer_badge": "民警警号", "ordered_by": "下令民警编号", "praise": "表扬内容", "replies": "说明次数",
    "statements": "陈述申辩", "substance": "反映内容", "unheard_why": "未听取陈述申辩的理由",
    "watch_from": "可观看起", "watch_until": "可观看止",
    "of_relative": "涉及近亲属", "officer": "民警编号", "officer_name": "民警姓名", "officers": "值班民警",
    "officers_present": "在场民警人数", "on_duty": "在岗", "opened_at": "申请时间", "oral": "口头申请",
    "organ": "单位代码", "organ_name": "单位名称", "origin": "来源", "outcome": "结果", "over_at": "调阅期限",
    "papers": "材料编号",
    "parent": "上级单位代码", "permanent": "永久保存", "person": "人员编号", "persons": "人员编号",
    "place": "地点", "place_told": "上报的地点", "placed_at": "设置时间", "placed_by": "设置人编号",
    "post": "岗位", "probed_ms": "时长（毫秒）", "purpose": "目的", "radius_m": "半径（米）",
    "raised_at": "提出时间", "reason": "原因", "received_at": "收到时间", "recognition": "认定状态",
    "reconsider_until": "复议期限",
    "recording": "资料编号", "recordings": "资料编号", "released_at": "解除时间", "released_by": "解除人编号",
    "released_why": "解除理由", "reported_at": "报告时间", "restricted": "限制类别", "returned_at": "归还时间",
    "returned_to": "接收人编号", "reviewer": "调阅人编号", "reviewer_badge": "调阅人警号",
    "reviewer_name": "调阅人姓名", "revoked_at": "吊销时间", "roles": "角色", "sealed_at": "封存时间",
    "seen_at": "看见时间", "seq": "日志序号", "serial": "序列号", "serves_from": "任职开始", "serves_until": "任职结束",
    "sha256": "SHA-256", "shift": "班次编号", "standing_aside": "暂停参与", "started_at": "开始时间",
    "starts_at": "计划开始", "state": "状态", "subject": "所涉事实编号", "taken_by": "记录人编号",
    "tasked": "上级交办", "text": "工作内容", "told_at": "告知时间", "until": "截止时间", "verb": "操作",
    "version": "版本", "waiting_for": "所等记录编号", "wearer": "佩戴人编号", "wearer_badge": "佩戴人警号",
    "week": "周次", "why": "理由", "withdrawn_at": "撤销时间", "words": "内容", "work": "工作代码",
    "CallRow.outcome": "处置结果", "DeviceRow.name": "设备名称", "DeviceRow.person": "专用人编号",
    "HeldRow.code": "拒绝代码", "HistoryLine.outcome": "结果代码", "HistoryLine.serial": "终端序列号",
    "OrganRow.code": "单位代码", "OrganRow.name": "单位名称", "SupervisionRow.answer": "民警答复",
}  # fmt: skip
BESIDE_AN_ID = (
    "acknowledged_by", "against", "answered_by", "asked_by", "closed_by", "decided_by", "ordered_by", "placed_by",
    "released_by", "taken_by", "wearer",
)  # fmt: skip
FIELDS |= {f"{field}_name": FIELDS[field].replace("编号", "姓名") for field in BESIDE_AN_ID}

CODES_IN = frozenset({"PersonRow.kind", "DeviceRow.kind", "PersonRow.roles"})  # where `codes` are meant


def codes() -> dict[str, str]:
    """What a cell says for the code of a kind of person, a role or a kind of device."""
    return {code: meant[0] for known in (kinds(), ROLES, DEVICES) for code, meant in known.items()}
