/*
 * The refresh of one grant by several processes over one store. docs/proof.md says which file implements which step, and what
 * the model leaves out. run.ts sets the bounds, and takes safeguards out one by one (WITHOUT_…).
 */
#define live (!frozen[me] && !dead[me])
#define TOKENS 8

/* The store: the grant (its version 0: there is none; its refresh token 0: dropped), and the lock with its owner. */
byte version = 1, token = 1, lock = 0;
bit kept = 0;

/* PagerDuty: the newest refresh token. A request that was given up may arrive late. */
byte newest = 1, late = 0;
bit revoked = 0;

/* What may still go wrong. */
byte failures = FAILURES, losses = LOSSES, freezes = FREEZES, crashes = CRASHES, logouts = LOGOUTS, keeps = KEEPS;

bit frozen[PROCESSES + 1], dead[PROCESSES + 1];
byte ended = 0;

/* For the properties only. A token is excused when it may have to be presented again: the answer was lost, or its holder. */
bit presented[TOKENS], excused[TOKENS], arrived[TOKENS], died[TOKENS];
byte sending[PROCESSES + 1], holding[PROCESSES + 1], readUnderLease[PROCESSES + 1];
bit loggedOut = 0;

/* Ends a lease, only if it is still this process's: it may have expired, and be another's. */
inline release() {
  sending[me] = 0;
  holding[me] = 0;
  readUnderLease[me] = 0;
  if
#ifdef WITHOUT_OWNER
  :: hasLease -> lock = 0
#else
  :: lock == me -> lock = 0
  :: lock == me && failures > 0 -> failures-- /* it expires, or this process takes it over */
#endif
  :: else
  fi;
  hasLease = 0
}

/* PagerDuty takes a refresh token: `answer` is what it says. */
inline take(presentedToken) {
  if
  :: revoked -> answer = 0
  :: !revoked && presentedToken == newest -> newest++; answer = newest
  :: !revoked && presentedToken != newest ->
#if defined(GRACE)
    answer = newest
#elif defined(SIBLING)
    newest++; answer = newest
#elif defined(FAMILY)
    answer = 0; revoked = 1
#else
    answer = 0
#endif
  fi
}

proctype App(byte me) {
  byte wanted = REQUESTS, seen, v, t, answer, tries;
  bit k, hasLease, lost;
#ifdef WITHOUT_REREAD
  byte seenToken;
#endif

request:
  atomic {
    if
    :: dead[me] -> goto finished
    :: live && wanted == 0 -> goto finished
    :: live && wanted > 0 -> wanted--; seen = version
#ifdef WITHOUT_REREAD
      ; seenToken = token
#endif
    fi;
    if :: seen == 0 -> goto request :: else fi
  }

acquire:
  atomic {
    if
    :: dead[me] -> goto finished
    :: live && (lock == 0 || lock == me) -> lock = me; hasLease = 1
    :: live && lock != 0 && lock != me -> hasLease = 0
#ifdef WITHOUT_LEASE
    :: live && lock != 0 -> hasLease = 1
#endif
    :: live && failures > 0 -> failures--; if :: lock == 0 -> lock = me :: true fi; goto settled
    fi
  }

  /* Read again, under the lease if there is one. */
  atomic {
    if
    :: dead[me] -> goto finished
    :: live -> v = version; t = token; k = kept; readUnderLease[me] = (lock == me -> t : 0)
    :: live && failures > 0 -> failures--; goto settled
    fi;
    if
    :: v == 0 -> goto settled
#ifdef WITHOUT_REREAD
    :: v != 0 && hasLease -> v = seen; t = seenToken
    :: v != 0 && v != seen && !hasLease -> goto settled
#else
    :: v != 0 && v != seen -> goto settled /* another process has refreshed it */
    :: v == seen && hasLease -> skip
#endif
    :: v == seen && !hasLease -> release(); goto acquire
    fi;
    if :: t == 0 -> goto rejected :: else fi
  }

send:
  atomic {
    if
    :: dead[me] -> goto finished
#if defined(WITHOUT_LEASE) || defined(WITHOUT_CHECK)
    :: live -> skip
#else
    :: live && lock != me -> if :: tries > 0 -> goto settled :: else -> release(); goto acquire fi /* it is lost */
    :: live && lock == me -> skip
    fi;
    assert(readUnderLease[me] == t); /* property: presented only what was read under the lease */
    if
    :: true
#endif
    fi;
    assert(!presented[t] || excused[t]); /* property: presented once */
    presented[t] = 1;
    sending[me] = t;
    tries++;
    lost = 0;
    if
    :: take(t)
    :: losses > 0 -> losses--; excused[t] = 1; lost = 1; take(t) /* the answer is lost */
    :: losses > 0 -> losses--; excused[t] = 1; lost = 1 /* the request is lost */
    :: losses > 0 && late == 0 -> losses--; excused[t] = 1; lost = 1; late = t /* the request is late */
    fi
  }

  atomic {
    if
    :: dead[me] -> goto finished
    :: live && lost && tries < 2 -> goto send
    :: live && lost && tries >= 2 -> goto settled
    :: live && !lost && answer == 0 -> goto rejected
    :: live && !lost && answer != 0 -> arrived[answer] = 1; holding[me] = answer
    fi
  }

save:
  atomic {
    if
    :: dead[me] -> goto finished
#ifdef WITHOUT_COMPARE
    :: live ->
      assert(!loggedOut); /* property: what was logged out stays so */
      version = v + 1; token = answer; goto settled
#endif
    :: live && version == v && token == t && kept == k -> version = v + 1; token = answer; goto settled
    :: live && !(version == v && token == t && kept == k) -> skip
    :: live && failures > 0 && version == v && token == t && kept == k ->
      failures--; version = v + 1; token = answer; /* it took effect, and the reply is lost */
      goto save
#ifdef WITHOUT_WRITE_BEHIND
    :: live && failures > 0 -> failures--; goto settled
#else
    :: live && failures > 0 -> failures--; goto save
#endif
    fi
  }
  /* Something else is stored: read it, and write on top of it. */
  atomic {
    if
    :: dead[me] -> goto finished
    :: live && version == 0 -> goto settled /* logged out: the pair is revoked */
    :: live && version != 0 && version != v -> goto settled /* another process has refreshed it */
#ifdef WITHOUT_REBASE
    :: live && version == v -> goto settled
#else
    :: live && version == v -> t = token; k = kept; goto save
#endif
    :: live && failures > 0 -> failures--; goto save
    fi
  }

  /* PagerDuty does not take the token. With a living access token only the refresh token is dropped. */
rejected:
  atomic {
    if
    :: dead[me] -> goto finished
#ifdef WITHOUT_COMPARE_AT_END
    :: live ->
      assert(token != newest || revoked); /* property: no login ends whose stored token is good */
      version = 0; token = 0; goto settled
#endif
    :: live && version == v && token == t && kept == k ->
      assert(token != newest || revoked); /* property: no login ends whose stored token is good */
      if :: token = 0 :: version = 0; token = 0 fi;
      goto settled
    :: live && version == v && token == t && kept != k -> k = kept; goto rejected
    :: live && (version != v || token != t) -> goto settled
    :: live && failures > 0 -> failures--; goto settled
    fi
  }

settled:
  atomic {
    if :: dead[me] -> goto finished :: live -> release() fi;
    seen = 0; v = 0; t = 0; k = 0; answer = 0; tries = 0; lost = 0
  }
  goto request;

finished:
  ended++
}

/* The processes are alike, so that it is enough if the first one is frozen, and it or the second one is killed. */
inline crash(who) {
  crashes--;
  dead[who] = 1;
  excused[sending[who]] = 1;
  died[holding[who]] = 1
}

/* Everything that is not under the control of a process. */
proctype World() {
  byte answer;
  do
  :: ended == PROCESSES -> break
  /* A lease ends when its owner is frozen, dead, or cut off from the store. */
  :: atomic { lock != 0 && (frozen[lock] || dead[lock]) ->
#ifdef WITHOUT_EXPIRY
      false;
#endif
      excused[sending[lock]] = 1; lock = 0 }
  :: atomic { lock != 0 && failures > 0 -> failures--; excused[sending[lock]] = 1; lock = 0 }
  :: atomic { freezes > 0 && !dead[1] && !frozen[1] -> freezes--; frozen[1] = 1 }
  :: atomic { frozen[1] -> frozen[1] = 0 }
  :: atomic { crashes > 0 && !dead[1] && !frozen[1] -> crash(1) }
  :: atomic { crashes > 0 && !dead[2] && !frozen[2] -> crash(2) }
  :: atomic { logouts > 0 && version != 0 -> logouts--; version = 0; token = 0; loggedOut = 1 }
  :: atomic { keeps > 0 && version != 0 -> keeps--; kept = 1 }
  :: atomic { late != 0 -> take(late); late = 0 }
  od
}

init {
  atomic {
    byte number = 1;
    do
    :: number <= PROCESSES -> run App(number); number++
    :: else -> break
    od;
    run World()
  }
  ended == PROCESSES && _nr_pr == 1 ->
  assert(!loggedOut || version == 0); /* property: what was logged out stays so */
  /* property: no pair is lost that reached a process that lives */
  assert(version == 0 || token == 0 || revoked || token == newest || !arrived[newest] || died[newest])
}

/* property: whoever waits settles */
ltl settles { <> (ended == PROCESSES) }
