-- Facts that proof rests on stand in the journal as digests, and the database ties each change to a line. See
-- docs/adr/0055.

-- fact_digest(row): the digest of a fact as it is now, '1:' and the hex SHA-256 of a JSON array of its columns. Only what
-- proves something: no erasable text, no place, nothing that changes by itself. Times are UTC, so no setting of a session
-- changes a digest. Another list of columns is another version in front: old digests stay what they are.
CREATE FUNCTION version_1(spelled json) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT '1:' || encode(sha256(convert_to(spelled::text, 'UTF8')), 'hex')
$$;
-- Several stretches of time, spelled in UTC. One stretch, or none, is spelled where it is used: that is faster.
CREATE FUNCTION spelled_out(spans tstzmultirange) RETURNS json LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN (SELECT json_agg(json_build_array(lower(s) AT TIME ZONE 'UTC', upper(s) AT TIME ZONE 'UTC', lower_inc(s),
        upper_inc(s))) FROM unnest(spans) s);
END $$;

CREATE FUNCTION fact_digest(t shift) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT version_1(json_build_array(t.id, t.person, t.organ, t.duty_type, t.started_at AT TIME ZONE 'UTC',
        t.ended_at AT TIME ZONE 'UTC', t.ended_by, t.in_force, t.set_aside, t.dress, t.id_card_carried, t.equipment,
        t.ordered_by, t.roster_post))
$$;
CREATE FUNCTION fact_digest(t check_out) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT version_1(json_build_array(t.id, t.shift, t.at AT TIME ZONE 'UTC'))
$$;
CREATE FUNCTION fact_digest(t supervision) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT version_1(json_build_array(t.id, t.auxiliary, t.officer, t.organ, t.handed_over_from,
        t.started_at AT TIME ZONE 'UTC', t.ended_at AT TIME ZONE 'UTC', t.ended_by, t.in_force, t.set_aside, t.answer,
        t.answered_at AT TIME ZONE 'UTC', t.leads_from AT TIME ZONE 'UTC'))
$$;
CREATE FUNCTION fact_digest(t supervision_answer) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT version_1(json_build_array(t.id, t.supervision, t.answer, t.at AT TIME ZONE 'UTC',
        t.leads_from AT TIME ZONE 'UTC', t.proved_by))
$$;
CREATE FUNCTION fact_digest(t supervision_end) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT version_1(json_build_array(t.id, t.supervision, t.by_person, t.at AT TIME ZONE 'UTC'))
$$;
CREATE FUNCTION fact_digest(t activity) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT version_1(json_build_array(t.id, t.person, t.organ, t.work, t.case_kind, t.case_ref, t.incident_ref,
        t.case_asked, t.officers_present, t.auxiliaries_present, t.emergency, t.place_kind, t.light,
        t.started_at AT TIME ZONE 'UTC', t.ended_at AT TIME ZONE 'UTC', t.finished, t.needs_leading, t.needs_recording,
        t.legality, t.notice_owed, t.notice_given, t.needs_insurance, t.never_refused, t.equipment,
        lower(t.spans) AT TIME ZONE 'UTC', upper(t.spans) AT TIME ZONE 'UTC', lower_inc(t.spans), upper_inc(t.spans),
        CASE WHEN t.spans <> tstzmultirange(range_merge(t.spans)) THEN spelled_out(t.spans) END))
$$;
CREATE FUNCTION fact_digest(t activity_telling) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT version_1(json_build_array(t.id, t.activity, t.verb, t.at AT TIME ZONE 'UTC', t.live,
        t.started_at AT TIME ZONE 'UTC', t.ended_at AT TIME ZONE 'UTC', t.work, t.case_kind, t.case_ref, t.incident_ref,
        t.case_asked, t.officers_present, t.auxiliaries_present, t.emergency, t.place_kind, t.light, t.recording,
        t.needs_leading, t.needs_recording, t.legality, t.notice_owed, t.notice_given, t.needs_insurance,
        t.never_refused, t.equipment, t.insurances))
$$;
CREATE FUNCTION fact_digest(t restraint) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT version_1(json_build_array(t.id, t.restraint, t.telling, t.position, t.activity, t.means, t.ordered_by,
        t.watcher, t.self_protection, t.started_at AT TIME ZONE 'UTC', t.ended_at AT TIME ZONE 'UTC'))
$$;
CREATE FUNCTION fact_digest(t gap_account) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT version_1(json_build_array(t.id, t.activity, t.by_person, t.at AT TIME ZONE 'UTC', t.gap, t.cause, t.spoken,
        t.reported_to, t.covered_by, t.colleague, t.started_at AT TIME ZONE 'UTC', t.ended_at AT TIME ZONE 'UTC'))
$$;
-- While a file is on its way, its size, digest and state change with each call of its device: they prove nothing yet.
CREATE FUNCTION fact_digest(t upload) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT version_1(json_build_array(t.id, t.kind, t.owner, t.organ, t.declared_by, t.device, t.media_type,
        t.object_key, t.same_as, t.declared_at AT TIME ZONE 'UTC',
        CASE WHEN t.state IN ('received', 'sealed') THEN t.state END,
        CASE WHEN t.state IN ('received', 'sealed') THEN t.bytes END,
        CASE WHEN t.state IN ('received', 'sealed') THEN t.sha256 END,
        CASE WHEN t.state IN ('received', 'sealed') THEN t.received_at AT TIME ZONE 'UTC' END,
        t.version, t.sealed_at AT TIME ZONE 'UTC', t.locked_until AT TIME ZONE 'UTC', t.receipt, t.legal_hold,
        t.disposed_at AT TIME ZONE 'UTC', t.removed_at AT TIME ZONE 'UTC'))
$$;
CREATE FUNCTION fact_digest(t recording) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT version_1(json_build_array(t.id, t.wearer, t.organ, t.camera_serial, t.camera_offset_ms, t.correction_ms,
        t.camera_started_at AT TIME ZONE 'UTC', t.started_at AT TIME ZONE 'UTC', t.ended_at AT TIME ZONE 'UTC',
        t.film_ends_at AT TIME ZONE 'UTC', t.time_source, t.key_mark, t.incident_ref, t.probed_ms, t.codec,
        t.probe_version, lower(t.proved) AT TIME ZONE 'UTC', upper(t.proved) AT TIME ZONE 'UTC', lower_inc(t.proved),
        upper_inc(t.proved), CASE WHEN t.proved <> tstzmultirange(range_merge(t.proved)) THEN spelled_out(t.proved) END))
$$;
CREATE FUNCTION fact_digest(t film) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT version_1(json_build_array(t.id, t.upload, t.track, t.kind, t.codec, t.proved::text, t.undecoded::text,
        t.jumps, t.probe_version, t.probed_at AT TIME ZONE 'UTC'))
$$;
CREATE FUNCTION fact_digest(t film_start) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT version_1(json_build_array(t.id, t.upload, t.value AT TIME ZONE 'UTC', t.source, t.doubtful, t.chosen, t.why,
        t.at AT TIME ZONE 'UTC'))
$$;
CREATE FUNCTION fact_digest(t film_timecode) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT version_1(json_build_array(t.id, t.upload, t.camera_serial, t.position_ms, t.frame,
        t.shown_at AT TIME ZONE 'UTC', t.signer, t.age_s, t.wearer, t.shift, t.offset_ms, t.standing, t.digest,
        t.at AT TIME ZONE 'UTC'))
$$;
CREATE FUNCTION fact_digest(t time_correction) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT version_1(json_build_array(t.id, t.recording, t.by_person, t.at AT TIME ZONE 'UTC',
        t.value AT TIME ZONE 'UTC'))
$$;
CREATE FUNCTION fact_digest(t recording_description) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT version_1(json_build_array(t.id, t.recording, t.by_person, t.at AT TIME ZONE 'UTC', t.category))
$$;
-- Without its place, which is erased: nothing but its erasure may change it (migration 0060).
CREATE FUNCTION fact_digest(t hold) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT version_1(json_build_array(t.id, t.organ, t.origin, t.about, t.person, t.upload, t.radius_m, t.datums_m,
        t.started_at AT TIME ZONE 'UTC', t.ended_at AT TIME ZONE 'UTC', t.permanent, t.category, t.ground, t.placed_by,
        t.placed_at AT TIME ZONE 'UTC', t.asked_by, t.asked_at AT TIME ZONE 'UTC', t.released_by,
        t.released_at AT TIME ZONE 'UTC'))
$$;
CREATE FUNCTION fact_digest(t restriction) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT version_1(json_build_array(t.id, t.recording, t.category, t.marked_by, t.marked_at AT TIME ZONE 'UTC',
        t.lifted_by, t.lifted_at AT TIME ZONE 'UTC'))
$$;
CREATE FUNCTION fact_digest(t recusal) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT version_1(json_build_array(t.id, t.person, t.organ, t.case_ref, t.case_kind, t.incident_ref, t.shift,
        t.activity, t.mediation, t.capacity, t.oral, t.ground, t.taken_by, t.asked_at AT TIME ZONE 'UTC', t.decided_in,
        t.state, t.due_at AT TIME ZONE 'UTC', t.version))
$$;
CREATE FUNCTION fact_digest(t recusal_step) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT version_1(json_build_array(t.id, t.recusal, t.version, t.step, t.by_person, t.at AT TIME ZONE 'UTC', t.how,
        t.organ))
$$;
CREATE FUNCTION fact_digest(t recusal_act) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT version_1(json_build_array(t.id, t.step, t.activity, t.stands))
$$;
CREATE FUNCTION fact_digest(t ruling) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT version_1(json_build_array(t.id, t.contested, t.other, t.stands, t.by_person, t.at AT TIME ZONE 'UTC'))
$$;

-- Every fact by its key, 'table/id', with its digest. What proof compares with the journal (backend/proof).
CREATE VIEW fact_row AS
SELECT 'shift/' || t.id AS key, fact_digest(t) AS digest FROM shift t
UNION ALL SELECT 'check_out/' || t.id, fact_digest(t) FROM check_out t
UNION ALL SELECT 'supervision/' || t.id, fact_digest(t) FROM supervision t
UNION ALL SELECT 'supervision_answer/' || t.id, fact_digest(t) FROM supervision_answer t
UNION ALL SELECT 'supervision_end/' || t.id, fact_digest(t) FROM supervision_end t
UNION ALL SELECT 'activity/' || t.id, fact_digest(t) FROM activity t
UNION ALL SELECT 'activity_telling/' || t.id, fact_digest(t) FROM activity_telling t
UNION ALL SELECT 'restraint/' || t.id, fact_digest(t) FROM restraint t
UNION ALL SELECT 'gap_account/' || t.id, fact_digest(t) FROM gap_account t
UNION ALL SELECT 'upload/' || t.id, fact_digest(t) FROM upload t
UNION ALL SELECT 'recording/' || t.id, fact_digest(t) FROM recording t
UNION ALL SELECT 'film/' || t.id, fact_digest(t) FROM film t
UNION ALL SELECT 'film_start/' || t.id, fact_digest(t) FROM film_start t
UNION ALL SELECT 'film_timecode/' || t.id, fact_digest(t) FROM film_timecode t
UNION ALL SELECT 'time_correction/' || t.id, fact_digest(t) FROM time_correction t
UNION ALL SELECT 'recording_description/' || t.id, fact_digest(t) FROM recording_description t
UNION ALL SELECT 'hold/' || t.id, fact_digest(t) FROM hold t
UNION ALL SELECT 'restriction/' || t.id, fact_digest(t) FROM restriction t
UNION ALL SELECT 'recusal/' || t.id, fact_digest(t) FROM recusal t
UNION ALL SELECT 'recusal_step/' || t.id, fact_digest(t) FROM recusal_step t
UNION ALL SELECT 'recusal_act/' || t.id, fact_digest(t) FROM recusal_act t
UNION ALL SELECT 'ruling/' || t.id, fact_digest(t) FROM ruling t;

-- Notes a fact that this statement made or changed, for the line of the transaction. The note is a setting of the
-- transaction: whoever forges it is refused by tie_fact. A savepoint that is rolled back takes its notes along. Nobody
-- changes thousands of facts at once but the owner, who needs no line: then nothing is noted any more.
CREATE FUNCTION note_fact() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    noted text := current_setting('fujing.rows', true);
BEGIN
    IF noted <> 'too many' OR noted IS NULL THEN
        PERFORM set_config('fujing.rows', CASE WHEN length(noted) > 1000000 THEN 'too many' ELSE
            concat(noted, ',"', TG_TABLE_NAME, '/', NEW.id, '":"', fact_digest(NEW), '"') END, true);
    END IF;
    RETURN NULL;
END $$;

-- The part `rows` of a line: every fact noted since the last line of this transaction with its latest digest, as
-- canonical JSON between "outcome" and "subjects"; nothing where none changed.
CREATE FUNCTION take_rows() RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    noted text := substr(current_setting('fujing.rows', true), 2);
BEGIN
    IF noted IS NULL OR noted = '' THEN
        RETURN '';
    END IF;
    PERFORM set_config('fujing.rows', '', true);
    IF noted = 'oo many' THEN
        RETURN '';
    ELSIF strpos(noted, ',') > 0 THEN
        noted := (SELECT string_agg('"' || e.key || '":"' || e.value || '"', ',' ORDER BY e.key COLLATE "C")
            FROM jsonb_each_text(('{' || noted || '}')::jsonb) e);
    END IF;
    RETURN convert_to(',"rows":{' || noted || '}', 'UTF8');
END $$;

-- At commit: a line of this transaction names the fact with the digest that it has now, else the transaction is refused.
-- A state that a later statement of the transaction changed again is looked at then. The owner's own changes are not
-- refused: proof finds them, as no line names them. Its search path is fixed, so that no temporary table is taken for ours.
CREATE FUNCTION tie_fact() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    fact text := TG_TABLE_NAME || '/' || NEW.id;
    told text := fact_digest(NEW);
    named bytea := convert_to('"' || fact || '":"' || told || '"', 'UTF8');
    kept text;
BEGIN
    IF session_user = current_user THEN
        RETURN NULL;
    END IF;
    PERFORM FROM journal j WHERE j.epoch = (SELECT max(e.epoch) FROM journal_epoch e) AND j.xid = pg_current_xact_id()
        AND CASE WHEN position(named IN j.entry) > 0
            THEN (convert_from(j.entry, 'UTF8')::jsonb -> 'rows' ->> fact) = told ELSE false END;
    IF FOUND THEN
        RETURN NULL;
    END IF;
    EXECUTE format('SELECT fact_digest(t) FROM %I t WHERE t.id = $1.id', TG_TABLE_NAME) INTO kept USING NEW;
    IF kept IS DISTINCT FROM told THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'no line of this transaction tells of %', fact USING ERRCODE = 'insufficient_privilege';
END $$;

-- Two triggers for what is new, two for what changed in a column that proves something.
DO $do$
DECLARE
    rule record;
BEGIN
    FOR rule IN SELECT * FROM (VALUES
        ('shift', '{person,organ,duty_type,started_at,ended_at,ended_by,in_force,set_aside,dress,id_card_carried,equipment,ordered_by,roster_post}'),
        ('check_out', '{shift,at}'),
        ('supervision', '{auxiliary,officer,organ,handed_over_from,started_at,ended_at,ended_by,in_force,set_aside,answer,answered_at,leads_from}'),
        ('supervision_answer', '{supervision,answer,at,leads_from,proved_by}'),
        ('supervision_end', '{supervision,by_person,at}'),
        ('activity', '{person,organ,work,case_kind,case_ref,incident_ref,case_asked,officers_present,auxiliaries_present,emergency,place_kind,light,started_at,ended_at,finished,needs_leading,needs_recording,legality,notice_owed,notice_given,needs_insurance,never_refused,equipment,spans}'),
        ('activity_telling', '{activity,verb,at,live,started_at,ended_at,work,case_kind,case_ref,incident_ref,case_asked,officers_present,auxiliaries_present,emergency,place_kind,light,recording,needs_leading,needs_recording,legality,notice_owed,notice_given,needs_insurance,never_refused,equipment,insurances}'),
        ('restraint', '{restraint,telling,position,activity,means,ordered_by,watcher,self_protection,started_at,ended_at}'),
        ('gap_account', '{activity,by_person,at,gap,cause,spoken,reported_to,covered_by,colleague,started_at,ended_at}'),
        ('upload', '{kind,owner,organ,declared_by,device,media_type,object_key,same_as,declared_at,version,sealed_at,locked_until,receipt,legal_hold,disposed_at,removed_at}'),
        ('recording', '{wearer,organ,camera_serial,camera_offset_ms,correction_ms,camera_started_at,started_at,ended_at,film_ends_at,time_source,key_mark,incident_ref,probed_ms,codec,probe_version,proved}'),
        ('film', '{upload,track,kind,codec,proved,undecoded,jumps,probe_version,probed_at}'),
        ('film_start', '{upload,value,source,doubtful,chosen,why,at}'),
        ('film_timecode', '{upload,camera_serial,position_ms,frame,shown_at,signer,age_s,wearer,shift,offset_ms,standing,digest,at}'),
        ('time_correction', '{recording,by_person,at,value}'),
        ('recording_description', '{recording,by_person,at,category}'),
        ('hold', '{organ,origin,about,person,upload,radius_m,datums_m,started_at,ended_at,permanent,category,ground,placed_by,placed_at,asked_by,asked_at,released_by,released_at}'),
        ('restriction', '{recording,category,marked_by,marked_at,lifted_by,lifted_at}'),
        ('recusal', '{person,organ,case_ref,case_kind,incident_ref,shift,activity,mediation,capacity,oral,ground,taken_by,asked_at,decided_in,state,due_at,version}'),
        ('recusal_step', '{recusal,version,step,by_person,at,how,organ}'),
        ('recusal_act', '{step,activity,stands}'),
        ('ruling', '{contested,other,stands,by_person,at}')
    ) AS r (name, columns) LOOP
        EXECUTE (SELECT format($sql$
            CREATE TRIGGER fact_made AFTER INSERT ON %1$I FOR EACH ROW EXECUTE FUNCTION note_fact();
            CREATE TRIGGER fact_changed AFTER UPDATE ON %1$I FOR EACH ROW WHEN (%2$s) EXECUTE FUNCTION note_fact();
            CREATE CONSTRAINT TRIGGER fact_made_is_told AFTER INSERT ON %1$I DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION tie_fact();
            CREATE CONSTRAINT TRIGGER fact_changed_is_told AFTER UPDATE ON %1$I DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW WHEN (%2$s) EXECUTE FUNCTION tie_fact();
            $sql$, rule.name, format('(OLD.id, %s) IS DISTINCT FROM (NEW.id, %s)',
                string_agg('OLD.' || quote_ident(c), ', '), string_agg('NEW.' || quote_ident(c), ', '))
                || CASE WHEN rule.name = 'upload' THEN
                    ' OR (OLD.state IN (''received'', ''sealed'') OR NEW.state IN (''received'', ''sealed'')) AND'
                    ' (OLD.state, OLD.bytes, OLD.sha256, OLD.received_at)'
                    ' IS DISTINCT FROM (NEW.state, NEW.bytes, NEW.sha256, NEW.received_at)' ELSE '' END)
            FROM unnest(rule.columns::text[]) c);
    END LOOP;
END $do$;

-- One line a sealing. A house that has two already keeps them: proof names them.
DO $do$
DECLARE
    twice bigint[] := ARRAY(
        SELECT j.seq FROM journal j WHERE j.verb = 'evidence/seal' AND EXISTS (
            SELECT FROM journal o WHERE o.verb = j.verb AND o.subjects[1] = j.subjects[1] AND o.seq < j.seq));
BEGIN
    EXECUTE 'CREATE UNIQUE INDEX journal_sealed_once ON journal ((subjects[1])) WHERE verb = ''evidence/seal'''
        || CASE WHEN twice = '{}' THEN '' ELSE format(' AND seq <> ALL (%L::bigint[])', twice) END;
END $do$;

-- The facts of before this migration, as they were then: no line names them. The application only reads it. One line
-- tells its root, which the next checkpoint signs: the SHA-256 over the SHA-256 of each 10,000 rows, in the order of the
-- keys' bytes, a row as 'key digest' and a line feed. A house without facts has no such line.
CREATE TABLE fact_baseline (key text COLLATE "C" PRIMARY KEY, digest text NOT NULL);
CREATE TRIGGER fact_baseline_no_change BEFORE UPDATE OR DELETE ON fact_baseline
    FOR EACH ROW EXECUTE FUNCTION journal_stands();
CREATE TRIGGER fact_baseline_no_truncate BEFORE TRUNCATE ON fact_baseline
    FOR EACH STATEMENT EXECUTE FUNCTION journal_stands();
SET LOCAL statement_timeout = 0;
INSERT INTO fact_baseline (key, digest) SELECT key, digest FROM fact_row;
INSERT INTO journal (at, verb, outcome, subjects, entry)
SELECT now(), 'house/baseline', 'done', '{}', convert_to(format(
    '{"at":"%s","facts":{"root":"%s","rows":%s},"outcome":"done","v":1,"verb":"house/baseline"}',
    to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    encode(sha256(string_agg(p.leaf, '' ORDER BY p.part)), 'hex'), sum(p.count)), 'UTF8')
FROM (
    SELECT n.part, count(*) AS count,
        sha256(convert_to(string_agg(n.key || ' ' || n.digest || E'\n', '' ORDER BY n.key), 'UTF8')) AS leaf
    FROM (SELECT b.*, (row_number() OVER (ORDER BY b.key) - 1) / 10000 AS part FROM fact_baseline b) n GROUP BY n.part
) p HAVING count(*) > 0;
