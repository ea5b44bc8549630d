"""Durable objects for Python: the public names of the runtime.

A class derives from DurableObject; its instances are named, live one at a time, run one turn at a
time, and keep what they write in `self.ctx.storage`. Others call them through stubs, which come
from a namespace: `self.env.COUNTER.get_by_name("visits")` inside, `host.namespace("Counter")`
outside. `boomtown serve MODULE:CLASS` serves classes over HTTP and WebSockets; docs/actors.md is
the guide, and `boomtown.testing` what tests need.

- A class of objects: DurableObject, DurableObjectState (`ctx`), Env, AlarmInfo.
- What they keep: Storage, Transaction, SyncKv, Sql, SqlCursor.
- When they run by themselves: Schedule, Every, Cron, RetryPolicy.
- Calling them: Namespace, DurableObjectStub, DurableObjectId; Request, Response, Headers, fetch.
- Sockets: WebSocketPair, WebSocket, ReadyState, CloseEvent.
- Containers: Container, Command, ObjectContainer, ContainerPort and what these answer.
- Hosting them: Host, HostStatistics, Durability.
- Errors: DurableObjectError, whose flags say whether to try again; RemoteError, CallCycleError,
  DataCloneError, NoSuchMethod, SqlError, OutsideTurnError, ContainerExit, NotListening,
  ContainerStartError, NoCapacityError, TooManyStartsError.
"""

from boomtown.actors.runtime.container_class import Container as Container
from boomtown.actors.runtime.container_class import ContainerState as ContainerState
from boomtown.actors.runtime.container_class import ContainerStatus as ContainerStatus
from boomtown.actors.runtime.container_class import ContainerStop as ContainerStop
from boomtown.actors.runtime.container_class import get_container as get_container
from boomtown.actors.runtime.container_class import get_random as get_random
from boomtown.actors.runtime.container_class import switch_port as switch_port
from boomtown.actors.runtime.container_port import Command as Command
from boomtown.actors.runtime.durable_object import AlarmInfo as AlarmInfo
from boomtown.actors.runtime.durable_object import DurableObject as DurableObject
from boomtown.actors.runtime.durable_object import DurableObjectState as DurableObjectState
from boomtown.actors.runtime.environment import Env as Env
from boomtown.actors.runtime.exchange import Headers as Headers
from boomtown.actors.runtime.exchange import Request as Request
from boomtown.actors.runtime.exchange import Response as Response
from boomtown.actors.runtime.host import Host as Host
from boomtown.actors.runtime.host import HostStatistics as HostStatistics
from boomtown.actors.runtime.namespace import DurableObjectStub as DurableObjectStub
from boomtown.actors.runtime.namespace import Namespace as Namespace
from boomtown.actors.runtime.object_container import ContainerExit as ContainerExit
from boomtown.actors.runtime.object_container import ContainerPort as ContainerPort
from boomtown.actors.runtime.object_container import ContainerStartError as ContainerStartError
from boomtown.actors.runtime.object_container import NoCapacityError as NoCapacityError
from boomtown.actors.runtime.object_container import ObjectContainer as ObjectContainer
from boomtown.actors.runtime.object_container import TooManyStartsError as TooManyStartsError
from boomtown.actors.runtime.object_ids import DurableObjectId as DurableObjectId
from boomtown.actors.runtime.outgoing_fetch import fetch as fetch
from boomtown.actors.runtime.ports import Durability as Durability
from boomtown.actors.runtime.runtime_errors import CallCycleError as CallCycleError
from boomtown.actors.runtime.runtime_errors import DataCloneError as DataCloneError
from boomtown.actors.runtime.runtime_errors import DurableObjectError as DurableObjectError
from boomtown.actors.runtime.runtime_errors import NoSuchMethod as NoSuchMethod
from boomtown.actors.runtime.runtime_errors import ObjectReset as ObjectReset
from boomtown.actors.runtime.runtime_errors import OutsideTurnError as OutsideTurnError
from boomtown.actors.runtime.runtime_errors import RemoteError as RemoteError
from boomtown.actors.runtime.runtime_errors import SqlError as SqlError
from boomtown.actors.runtime.schedule_rules import Cron as Cron
from boomtown.actors.runtime.schedule_rules import Every as Every
from boomtown.actors.runtime.schedule_rules import RetryPolicy as RetryPolicy
from boomtown.actors.runtime.schedule_table import Schedule as Schedule
from boomtown.actors.runtime.sql import Sql as Sql
from boomtown.actors.runtime.sql import SqlCursor as SqlCursor
from boomtown.actors.runtime.storage import Storage as Storage
from boomtown.actors.runtime.storage import Transaction as Transaction
from boomtown.actors.runtime.sync_kv import SyncKv as SyncKv
from boomtown.actors.runtime.web_sockets import CloseEvent as CloseEvent
from boomtown.actors.runtime.web_sockets import ReadyState as ReadyState
from boomtown.actors.runtime.web_sockets import WebSocket as WebSocket
from boomtown.actors.runtime.web_sockets import WebSocketPair as WebSocketPair
from boomtown.container_sim.command_model import ExecOutcome as ExecOutcome
from boomtown.container_sim.command_model import NotListening as NotListening

__all__ = [
    "AlarmInfo",
    "CallCycleError",
    "CloseEvent",
    "Command",
    "Container",
    "ContainerExit",
    "ContainerPort",
    "ContainerStartError",
    "ContainerState",
    "ContainerStatus",
    "ContainerStop",
    "Cron",
    "DataCloneError",
    "Durability",
    "DurableObject",
    "DurableObjectError",
    "DurableObjectId",
    "DurableObjectState",
    "DurableObjectStub",
    "Env",
    "Every",
    "ExecOutcome",
    "Headers",
    "Host",
    "HostStatistics",
    "Namespace",
    "NoCapacityError",
    "NoSuchMethod",
    "NotListening",
    "ObjectContainer",
    "ObjectReset",
    "OutsideTurnError",
    "ReadyState",
    "RemoteError",
    "Request",
    "Response",
    "RetryPolicy",
    "Schedule",
    "Sql",
    "SqlCursor",
    "SqlError",
    "Storage",
    "SyncKv",
    "TooManyStartsError",
    "Transaction",
    "WebSocket",
    "WebSocketPair",
    "fetch",
    "get_container",
    "get_random",
    "switch_port",
]
