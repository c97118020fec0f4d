/*
 * Two callbacks of one login, as at a double click, and a logout meanwhile, in processes of their own over one store.
 * docs/proof.md says which file implements which step, and what the model leaves out. run.ts sets the bounds, and takes
 * safeguards out one by one (WITHOUT_…).
 */
#define NONE 0
#define DONE 11
#define FAILED 12
#define LOGGED_OUT 13
#define live (!dead[me])

/* The store: the login's record (or the callback that redeemed it), the grant, its entry in the user's index, and sessions. */
byte record = NONE;
bit grant = 0, listed = 0, stored[3];

/* What may still go wrong. */
byte failures = FAILURES, refusals = REFUSALS, crashes = CRASHES, logouts = LOGOUTS;

bit dead[3];
byte ended = 0;

/* For the properties only. A browser has a session once the response has given it the id. */
bit exchanged = 0, session[3], ousted = 0, forgotten = 0;

proctype Callback(byte me) {
  bit made = 0;

  /* Redeems the login, or waits for the callback that has. */
  atomic {
    if
    :: dead[me] -> goto finished
    :: live && record == NONE -> record = me
    :: live && record != NONE ->
#ifdef WITHOUT_REDEEMING
      skip
#else
      goto join
#endif
    :: live && failures > 0 -> failures--; if :: record == NONE -> record = me :: true fi; goto finished
    fi
  }
  atomic {
    if
    :: dead[me] -> goto finished
    :: live -> assert(!exchanged); exchanged = 1 /* property: the code is exchanged once */
    :: live && refusals > 0 -> refusals--; exchanged = 1; goto failed
    fi
  }
  /* The grant first, then its entry, then the outcome. */
  atomic {
    if
    :: dead[me] -> goto finished
    :: live -> grant = 1; made = 1
    :: live && failures > 0 -> failures--; if :: grant = 1 :: true fi; made = 1; goto failed
    fi
  }
  atomic {
    if
    :: dead[me] -> goto finished
    :: live -> listed = 1
#ifdef WITHOUT_LISTING_FIRST
    :: live -> skip
#endif
    :: live && failures > 0 -> failures--; if :: listed = 1 :: true fi; goto failed
    fi
  }
  /* The session is stored along with the outcome; which of the two takes effect first is open. */
  atomic {
    if
    :: dead[me] -> goto finished
    :: live -> stored[me] = 1
    :: live -> skip
    :: live && failures > 0 -> failures--; if :: stored[me] = 1 :: true fi
    fi
  }
  atomic {
    if
    :: dead[me] -> goto finished
#ifdef WITHOUT_COMPARE
    :: live -> record = DONE
#endif
    :: live && record == me -> record = DONE
    :: live && record != me && record != DONE -> goto failed /* a logout has overruled it */
    :: live && failures > 0 && record == me -> failures--; if :: record = DONE :: true fi;
      /* Writing again settles whether the first write took effect. */
      if :: record == me -> record = FAILED; goto failed :: else fi
    fi
  }
  goto save;

  /* The callback that comes second waits ten seconds at most. */
join:
  atomic {
    if
    :: dead[me] -> goto finished
    :: live && record == DONE && grant -> goto save
    :: live && record == DONE && !grant -> goto finished
    :: live && (record == FAILED || record == LOGGED_OUT) -> goto finished
    :: live && record != DONE -> goto finished /* it took too long */
    fi
  }

save:
  atomic {
    if
    :: dead[me] -> goto finished
    :: live -> stored[me] = 1
    :: live && failures > 0 && made -> failures--; goto failed
    :: live && failures > 0 && !made -> failures--; goto finished
    fi
  }

  atomic {
    if
    :: dead[me] -> goto finished
    :: live ->
      assert(stored[me]);
      session[me] = 1;
      assert(record == DONE || record == LOGGED_OUT || !made); /* property: no session before the outcome */
      assert(listed || !grant); /* property: what a session presents can be found and ended */
      goto finished
    fi
  }

failed:
  atomic {
    if
    :: dead[me] -> goto finished
    :: live ->
      if :: record == me -> record = FAILED :: else fi;
#ifndef WITHOUT_REMOVING
      stored[me] = 0;
#endif
#ifndef WITHOUT_WITHDRAWING
      if :: made -> grant = 0 :: else fi
#endif
    fi
  }

finished:
  ended++
}

/* A logout of the browser, with the cookie of the login; and what no process controls. */
proctype World() {
  do
  :: ended == 2 -> break
  :: atomic { logouts > 0 && record == DONE -> logouts--; grant = 0; forgotten = 1 }
#ifndef WITHOUT_OVERRULING
  :: atomic { logouts > 0 && (record == 1 || record == 2) -> logouts--; record = LOGGED_OUT; ousted = 1 }
#else
  :: atomic { logouts > 0 && (record == 1 || record == 2) -> logouts--; ousted = 1 }
#endif
  :: atomic { crashes > 0 && !dead[1] -> crashes--; dead[1] = 1 }
  od
}

init {
  atomic { run Callback(1); run Callback(2); run World() }
  ended == 2 && _nr_pr == 1 ->
  /* property: who logged out has no session that works */
  assert(!((ousted || forgotten) && grant && (session[1] || session[2])));
  /* property: a grant that no session presents is withdrawn; it expires within a minute if its process died */
  assert(!grant || session[1] || session[2] || dead[1]);
  /* property: a session that no browser has is removed, unless its process died */
  assert((!stored[1] || session[1] || dead[1]) && (!stored[2] || session[2]))
}

/* property: whoever waits settles */
ltl settles { <> (ended == 2) }
