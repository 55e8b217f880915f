"""Release -> DCAT-AP-SE, PROV, DQV and VoID; all releases -> catalogue record and shared graph."""
