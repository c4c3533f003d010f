"""How this installation is, for the first page of the admin: reads only, and a number of queries that no row adds to.

`look` tells what needs a person, how far behind each connection is, and how the machine is; `charts` what was booked and
sent. Every query is answered by an index, counts end at "1,000+", and charts read a window.
"""

from integrations.overview.charts import Day, Hour, bookings_by_day, deliveries_by_hour
from integrations.overview.failures import FailureGroup
from integrations.overview.looking import Overview, look
from integrations.overview.machine import Machine, Part, Table
from integrations.overview.needs import Need
from integrations.overview.standings import Meter, Standing
from integrations.overview.steps import Step
from integrations.overview.verdict import Verdict

__all__ = [
    "Day",
    "FailureGroup",
    "Hour",
    "Machine",
    "Meter",
    "Need",
    "Overview",
    "Part",
    "Standing",
    "Step",
    "Table",
    "Verdict",
    "bookings_by_day",
    "deliveries_by_hour",
    "look",
]
