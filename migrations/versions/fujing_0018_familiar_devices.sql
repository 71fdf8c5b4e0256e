-- Whether somebody signed in on this device before is asked at every sign-in. See docs/adr/0015.
CREATE INDEX session_of_person ON session (person, device_key, opened_at);
