// The same work as src/raft/raft_bench.cc, done by the reference core. Optional:
//
//	cd bench/go/raft && go mod tidy && go test -bench . -benchmem
package main

import (
	"math"
	"syscall"
	"testing"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

type silent struct{}

func (silent) Debug(...any)              {}
func (silent) Debugf(string, ...any)     {}
func (silent) Error(...any)              {}
func (silent) Errorf(string, ...any)     {}
func (silent) Info(...any)               {}
func (silent) Infof(string, ...any)      {}
func (silent) Warning(...any)            {}
func (silent) Warningf(string, ...any)   {}
func (silent) Fatal(...any)              { panic("fatal") }
func (silent) Fatalf(string, ...any)     { panic("fatal") }
func (silent) Panic(...any)              { panic("panic") }
func (silent) Panicf(f string, a ...any) { panic(f) }

type replica struct {
	node *raft.RawNode
	disk *raft.MemoryStorage
}

func newReplica(id uint64, electionTick int) *replica {
	disk := raft.NewMemoryStorage()
	snap := pb.EnsureSnapshot(nil)
	snap.Metadata.Index, snap.Metadata.Term = new(uint64(1)), new(uint64(1))
	snap.Metadata.ConfState.Voters = []uint64{1, 2, 3}
	if err := disk.ApplySnapshot(snap); err != nil {
		panic(err)
	}
	node, err := raft.NewRawNode(&raft.Config{
		ID: id, ElectionTick: electionTick, HeartbeatTick: 1, Storage: disk, Applied: 1,
		MaxSizePerMsg: math.MaxUint64, MaxInflightMsgs: 256, Logger: silent{},
	})
	if err != nil {
		panic(err)
	}
	return &replica{node, disk}
}

type three struct {
	replicas []*replica
	queue    []*pb.Message
}

func newThree() *three {
	t := &three{}
	for id := uint64(1); id <= 3; id++ {
		t.replicas = append(t.replicas, newReplica(id, 10))
	}
	_ = t.replicas[0].node.Campaign()
	t.settle()
	return t
}

func (t *three) settle() {
	for busy := true; busy; {
		busy = false
		for _, r := range t.replicas {
			for r.node.HasReady() {
				busy = true
				rd := r.node.Ready()
				if !raft.IsEmptyHardState(rd.HardState) {
					_ = r.disk.SetHardState(rd.HardState)
				}
				_ = r.disk.Append(rd.Entries)
				t.queue = append(t.queue, rd.Messages...)
				r.node.Advance(rd)
			}
		}
		current := t.queue
		t.queue = nil
		for _, m := range current {
			_ = t.replicas[m.GetTo()-1].node.Step(m)
		}
	}
}

// cpu reports the processor time of a benchmark, which other programs disturb less than its duration.
func cpu(b *testing.B) func() {
	used := func() int64 {
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		return u.Utime.Nano() + u.Stime.Nano()
	}
	start := used()
	return func() { b.ReportMetric(float64(used()-start)/float64(b.N), "cpu-ns/op") }
}

func BenchmarkFollowerTick(b *testing.B) {
	r := newReplica(1, 1<<30)
	defer cpu(b)()
	for i := 0; i < b.N; i++ {
		r.node.Tick()
	}
}

func BenchmarkLeaderTickWithHeartbeatsToTwo(b *testing.B) {
	t := newThree()
	leader := t.replicas[0].node
	defer cpu(b)()
	for i := 0; i < b.N; i++ {
		leader.Tick()
		leader.Advance(leader.Ready())
	}
}

func BenchmarkHeartbeatSteppedByFollower(b *testing.B) {
	t := newThree()
	follower := t.replicas[1].node
	defer cpu(b)()
	for i := 0; i < b.N; i++ {
		_ = follower.Step(&pb.Message{Type: pb.MsgHeartbeat.Enum(), From: new(uint64(1)),
			To: new(uint64(2)), Term: new(uint64(1)), Commit: new(uint64(2))})
		follower.Advance(follower.Ready())
	}
}

func BenchmarkHasReadyOfIdleNode(b *testing.B) {
	t := newThree()
	defer cpu(b)()
	for i := 0; i < b.N; i++ {
		_ = t.replicas[1].node.HasReady()
	}
}

func propose(b *testing.B, batch int) {
	t := newThree()
	data := make([]byte, 128)
	since := 0
	b.ResetTimer()
	defer cpu(b)()
	for i := 0; i < b.N; i++ {
		entries := make([]*pb.Entry, batch)
		for k := range entries {
			entries[k] = &pb.Entry{Data: append([]byte(nil), data...)}
		}
		_ = t.replicas[0].node.Step(&pb.Message{Type: pb.MsgProp.Enum(), From: new(uint64(1)), Entries: entries})
		t.settle()
		if since += batch; since >= 4096 {
			since = 0
			for _, r := range t.replicas {
				_ = r.disk.Compact(r.node.BasicStatus().Applied)
			}
		}
	}
	b.ReportMetric(float64(b.N)*float64(batch)/b.Elapsed().Seconds(), "proposals/s")
}

func BenchmarkProposeThroughThree1(b *testing.B)   { propose(b, 1) }
func BenchmarkProposeThroughThree16(b *testing.B)  { propose(b, 16) }
func BenchmarkProposeThroughThree128(b *testing.B) { propose(b, 128) }

func BenchmarkTenThousandIdleGroupsTicked(b *testing.B) {
	var groups []*replica
	for i := uint64(0); i < 10000; i++ {
		groups = append(groups, newReplica(1+i%3, 1<<30))
	}
	b.ResetTimer()
	defer cpu(b)()
	for i := 0; i < b.N; i++ {
		for _, g := range groups {
			g.node.Tick()
		}
	}
}
