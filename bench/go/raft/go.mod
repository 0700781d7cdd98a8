module nokv-bench-raft

go 1.26

require go.etcd.io/raft/v3 v3.7.0
