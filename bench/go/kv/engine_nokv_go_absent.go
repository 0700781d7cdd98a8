//go:build !nokv_go

package main

func init() {
	absentEngines["nokv-go"] = "its module, github.com/feichai0017/NoKV, is not offered as a Go module " +
		"(v0.7.0 is refused); a build that has it takes the tag nokv_go"
}
