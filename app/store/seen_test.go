package store

import (
	"strconv"
	"sync"
	"testing"
	"time"
)

func TestSeenHoldings(t *testing.T) {
	t.Parallel()
	s := NewSeen(nil)
	holds := func(pk int64, listed time.Time, updated string, present bool) {
		t.Helper()
		l, u, p := s.Holding(1, "VPC", pk)
		if !l.Equal(listed) || u != updated || p != present {
			t.Errorf("object %d: %v %q %v", pk, l, u, p)
		}
	}
	holds(5, time.Time{}, "", false)
	s.Answered(1, "VPC", 5, "t1")
	holds(5, time.Time{}, "t1", true)
	objects := map[int64]string{5: "t2", 6: "t3"}
	s.Listed(1, "VPC", testTime, objects)
	objects[7] = "later" // the caller's map stays the caller's
	holds(5, testTime, "t2", true)
	holds(7, testTime, "", false)
	s.Listed(1, "VPC", testTime.Add(-time.Second), map[int64]string{}) // older, answered late
	holds(6, testTime, "t3", true)
	s.Removed(1, "VPC", 6)
	holds(6, testTime, "", false)
	if _, _, present := s.Holding(2, "VPC", 5); present {
		t.Error("another fabric holds it")
	}
	if _, _, present := s.Holding(1, "Switch", 5); present {
		t.Error("another kind holds it")
	}
	s.Forget(1)
	holds(5, time.Time{}, "", false)
}

func TestSeenRequestsAreBounded(t *testing.T) {
	t.Parallel()
	now := testTime
	s := NewSeen(func() time.Time { return now })
	s.Request("default", "a")
	s.Request("default", "")
	if !s.KnownRequest("default", "a") || s.KnownRequest("default", "") || s.KnownRequest("lab", "a") {
		t.Error("just remembered")
	}
	now = now.Add(time.Hour)
	if s.KnownRequest("default", "a") {
		t.Error("known after an hour")
	}
	for i := range 3 * maxRequests {
		if i%100 == 0 {
			now = now.Add(time.Second)
		}
		s.Request("default", strconv.Itoa(i))
		if n := len(s.requests["default"]); n > maxRequests {
			t.Fatalf("%d ids are kept", n)
		}
	}
	if !s.KnownRequest("default", strconv.Itoa(3*maxRequests-1)) || s.KnownRequest("default", "0") {
		t.Error("the newest must be known and the oldest forgotten")
	}
	// All at one moment: bounded too.
	for i := range maxRequests + 1 {
		s.Request("lab", strconv.Itoa(i))
	}
	if n := len(s.requests["lab"]); n > maxRequests || !s.KnownRequest("lab", strconv.Itoa(maxRequests)) {
		t.Errorf("%d ids are kept", n)
	}
}

func TestSeenAtOnce(t *testing.T) {
	t.Parallel()
	s := NewSeen(nil)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 200 {
				s.Answered(int64(w%2), "VPC", int64(i), "t")
				s.Holding(int64(w%2), "VPC", int64(i))
				s.Listed(int64(w%2), "VPC", testTime, map[int64]string{1: "t"})
				s.Request("default", strconv.Itoa(i))
				s.KnownRequest("default", strconv.Itoa(i))
			}
		})
	}
	wg.Wait()
}
