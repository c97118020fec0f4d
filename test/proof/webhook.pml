/*
 * One event whose deliveries reach several processes over one store. docs/proof.md says which file implements which step, and
 * what the model leaves out. run.ts sets the bounds, and takes safeguards out one by one (WITHOUT_…).
 */
#define live (!frozen[me] && !dead[me])
#define FREE 0
#define HANDLED 255

/* The store: one key for the lease and for the mark, with the delivery that holds it. */
byte mark = FREE;

/* What may still go wrong. */
byte failures = FAILURES, refusals = REFUSALS, freezes = FREEZES, crashes = CRASHES, again = DUPLICATES;

bit frozen[DELIVERIES + 1], dead[DELIVERIES + 1], answered[DELIVERIES + 1];
bit accepted = 0;
byte sent = 0, ended = 0;

/* For the properties only. A delivery is lost when its lease ends before it does. Then the event may be handled again. */
bit running[DELIVERIES + 1], lost[DELIVERIES + 1];
bit handled = 0, excused = 0, early = 0;
#define busy(other) (running[other] && !lost[other])

proctype Delivery(byte me) {
  bit slow = 0, failed = 0;

  atomic {
    if
    :: dead[me] -> goto finished
    :: live && mark == FREE -> mark = me
    :: live && mark == HANDLED -> accepted = 1; goto finished
    :: live && mark != FREE && mark != HANDLED ->
#ifdef WITHOUT_LEASE
      skip
#else
      goto finished /* 503: PagerDuty delivers it again */
#endif
    :: live && failures > 0 -> failures--; if :: mark == FREE -> mark = me :: true fi; goto finished
    fi;
    assert(!handled || excused); /* property: handled once, unless its process was lost */
    assert(!busy(1) && !busy(2) && !busy(3)); /* property: one at a time, unless a process was lost */
    running[me] = 1
  }

  /* The handler ends, or its time is over: then PagerDuty gets its 202 first. */
  atomic {
    if
    :: dead[me] -> goto finished
    :: live -> skip
    :: live -> slow = 1; accepted = 1; early = 1
    fi
  }
  atomic {
    if
    :: dead[me] -> goto finished
    :: live -> handled = 1
    :: live && refusals > 0 -> refusals--; failed = 1
    fi;
    running[me] = 0
  }
  atomic {
    if
    :: dead[me] -> excused = 1; goto finished
    :: live && failed ->
#ifdef WITHOUT_OWNER
      mark = FREE
#else
      if :: mark == me -> mark = FREE :: mark == me && failures > 0 -> failures-- :: else fi
#endif
    :: live && !failed && mark == me -> mark = HANDLED
    :: live && !failed && mark == FREE -> mark = HANDLED /* the lease has expired */
    :: live && !failed && mark != me && mark != FREE -> skip /* and another process holds it */
    :: live && !failed && failures > 0 -> failures--; excused = 1 /* nobody knows that it was handled */
    fi;
#ifdef WITHOUT_FAILURE
    accepted = 1
#else
    if :: !failed -> accepted = 1 :: else fi
#endif
  }

finished:
  atomic { answered[me] = 1; ended++ }
}

inline expire() {
#ifdef WITHOUT_EXPIRY
  false;
#endif
  if :: !answered[mark] -> excused = 1; lost[mark] = 1 :: else fi;
  mark = FREE
}

/* PagerDuty delivers an event until it is accepted, and sometimes again. A lease ends when its holder is lost or has ended. */
proctype World() {
  do
  :: atomic { sent < DELIVERIES && ended == sent && !accepted -> sent++; run Delivery(sent) }
  :: atomic { sent < DELIVERIES && again > 0 && sent > 0 -> again--; sent++; run Delivery(sent) }
  :: ended == sent && (accepted || sent == DELIVERIES) && (again == 0 || sent == DELIVERIES) -> break
  :: atomic { mark != FREE && mark != HANDLED && (frozen[mark] || dead[mark] || answered[mark]) -> expire() }
  :: atomic { mark != FREE && mark != HANDLED && failures > 0 -> failures--; expire() }
  :: atomic { freezes > 0 && sent > 0 && !answered[1] -> freezes--; frozen[1] = 1 }
  :: atomic { frozen[1] -> frozen[1] = 0 }
  :: atomic { crashes > 0 && sent > 0 && !answered[1] && !frozen[1] -> crashes--; dead[1] = 1; running[1] = 0 }
  od;
  /* property: what was accepted was handled, unless a slow handler failed or died after its 202 */
  assert(!accepted || handled || early)
}

init { run World() }

/* property: whoever waits settles */
ltl settles { <> (ended > 0 && ended == sent) }
