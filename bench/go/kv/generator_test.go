package main

import (
	"encoding/json"
	"math"
	"os"
	"strconv"
	"testing"
)

// word is a number of 64 bits, in the file a string of hexadecimal digits.
type word uint64

func (w *word) UnmarshalText(text []byte) error {
	number, err := strconv.ParseUint(string(text), 0, 64)
	*w = word(number)
	return err
}

// The file is made by bench/testdata/generator.py from the definition alone; every driver is tested against it.
type golden struct {
	Mix []struct {
		X, Mix word
	}
	Random struct {
		Seed        uint64
		Next        []word
		Then100     []uint64  `json:"then_uniform_100"`
		Then1000000 []uint64  `json:"then_uniform_1000000"`
		ThenUnit    []float64 `json:"then_unit"`
	}
	ThreadSeeds []struct {
		Seed     uint64
		Workload string
		Run      uint64
		Thread   uint64
		Value    word
	} `json:"thread_seeds"`
	Keys    []string
	Pattern struct {
		First64 string `json:"first_64"`
		Fnv1a   word
	}
	Values []struct {
		Record, Version uint64
		Bytes           int
		Fnv1a           word
	}
	Zipfian struct {
		N, Seed        uint64
		Zeta, Eta      float64
		Ranks, Records []uint64
	}
	Operations []struct {
		Workload             string
		N, Seed, Run, Thread uint64
		First                [][3]any
	}
}

func readGolden(t *testing.T) *golden {
	text, err := os.ReadFile("../../testdata/generator.json")
	if err != nil {
		t.Fatal(err)
	}
	g := &golden{}
	if err := json.Unmarshal(text, g); err != nil {
		t.Fatal(err)
	}
	if len(g.Mix) == 0 || len(g.Random.Next) == 0 || len(g.ThreadSeeds) == 0 || len(g.Keys) == 0 || len(g.Values) == 0 ||
		len(g.Zipfian.Ranks) != 20 || len(g.Operations) == 0 {
		t.Fatal("the file lacks a part")
	}
	return g
}

func expectEqual[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, must be %v", what, got, want)
	}
}

func fnv1a(data []byte) word {
	h := uint64(0xcbf29ce484222325)
	for _, b := range data {
		h = (h ^ uint64(b)) * 0x100000001b3
	}
	return word(h)
}

func TestRandomIsThatOfTheDefinition(t *testing.T) {
	g := readGolden(t)
	for _, c := range g.Mix {
		expectEqual(t, "Mix", word(Mix(uint64(c.X))), c.Mix)
	}
	random := NewRandom(g.Random.Seed)
	for _, want := range g.Random.Next {
		expectEqual(t, "Next", word(random.Next()), want)
	}
	for _, want := range g.Random.Then100 {
		expectEqual(t, "Uniform(100)", random.Uniform(100), want)
	}
	for _, want := range g.Random.Then1000000 {
		expectEqual(t, "Uniform(1000000)", random.Uniform(1_000_000), want)
	}
	for _, want := range g.Random.ThenUnit {
		expectEqual(t, "Unit", random.Unit(), want)
	}
	for _, c := range g.ThreadSeeds {
		expectEqual(t, "ThreadSeed", word(ThreadSeed(c.Seed, c.Workload, c.Run, c.Thread)), c.Value)
	}
}

func TestKeysAndValuesAreThoseOfTheDefinition(t *testing.T) {
	g := readGolden(t)
	var key Key
	for record, want := range g.Keys {
		key.Assign(uint64(record))
		expectEqual(t, "key", string(key[:]), want)
	}
	pattern := NewValues(16).pattern
	expectEqual(t, "pattern", string(pattern[:64]), g.Pattern.First64)
	expectEqual(t, "hash of the pattern", fnv1a(pattern), g.Pattern.Fnv1a)
	for _, c := range g.Values {
		value := make([]byte, c.Bytes)
		NewValues(c.Bytes).Fill(c.Record, c.Version, value)
		expectEqual(t, "hash of a value", fnv1a(value), c.Fnv1a)
	}
}

func TestZipfianIsThatOfTheDefinition(t *testing.T) {
	want := readGolden(t).Zipfian
	zipfian := NewZipfian(want.N)
	if math.Abs(zipfian.zeta/want.Zeta-1) > 1e-12 || math.Abs(zipfian.eta/want.Eta-1) > 1e-12 {
		t.Errorf("zeta, eta are %v, %v, must be %v, %v", zipfian.zeta, zipfian.eta, want.Zeta, want.Eta)
	}
	ranks, records := NewRandom(want.Seed), NewRandom(want.Seed)
	for i := range want.Ranks {
		expectEqual(t, "rank", zipfian.Rank(ranks), want.Ranks[i])
		expectEqual(t, "record", zipfian.Scrambled(records), want.Records[i])
	}
}

func TestOperationsAreThoseOfTheDefinition(t *testing.T) {
	kinds := map[string]Kind{"read": Read, "update": Update, "insert": Insert, "scan": Scan}
	for _, c := range readGolden(t).Operations {
		workload, err := FindWorkload(c.Workload[:1], ZipfianDistribution)
		if err != nil {
			t.Fatal(err)
		}
		drawn := make([]uint64, len(c.First))
		random := NewRandom(ThreadSeed(c.Seed, c.Workload, c.Run, c.Thread))
		const first, stride = 5000, 4
		workload.Draw(drawn, c.N, NewZipfian(c.N), random, first, stride)
		inserts := uint64(0)
		for i, want := range c.First {
			got := Operation(drawn[i])
			expectEqual(t, "kind", got.Kind(), kinds[want[0].(string)])
			expectEqual(t, "entries", got.Entries(), uint64(want[2].(float64)))
			subject := uint64(want[1].(float64))
			if got.Kind() == Insert { // it draws no record: the thread's inserts go on by the number of threads
				subject = first + inserts*stride
				inserts++
			}
			expectEqual(t, "record", got.Subject(), subject)
		}
	}
}

func TestKeysAreParsedAndNothingElseIs(t *testing.T) {
	var key Key
	key.Assign(12345)
	if mixed, ok := ParseKey(key[:]); !ok || mixed != Mix(12345) {
		t.Errorf("%s is parsed as %x, %v", key, mixed, ok)
	}
	upper := key
	for i := range upper {
		if 'a' <= upper[i] && upper[i] <= 'f' && i >= len(keyPrefix) {
			upper[i] -= 'a' - 'A'
		}
	}
	for _, wrong := range []string{"", "user", string(key[1:]), "User" + string(key[4:]), string(upper[:]), string(key[:]) + "0"} {
		if _, ok := ParseKey([]byte(wrong)); ok {
			t.Errorf("%q is taken for a key", wrong)
		}
	}
}

func TestEveryByteOfAValueIsChecked(t *testing.T) {
	values := NewValues(100)
	value := make([]byte, 100)
	values.Fill(7, 3, value)
	if record, version, ok := values.Parse(value); !ok || record != 7 || version != 3 {
		t.Fatalf("parsed as record %d, version %d, %v", record, version, ok)
	}
	for i := range value {
		value[i] ^= 1
		if record, version, ok := values.Parse(value); ok && record == 7 && version == 3 {
			t.Errorf("byte %d can change", i)
		}
		value[i] ^= 1
	}
	if _, _, ok := values.Parse(value[:99]); ok {
		t.Error("a value can be cut short")
	}
}
