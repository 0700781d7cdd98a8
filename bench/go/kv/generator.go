package main

// Keys, values and chance, as bench/README.md defines them: every driver, in whatever language, makes the same ones.

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
)

const goldenRatio = 0x9e3779b97f4a7c15

// Mix is the finaliser of SplitMix64, a bijection.
func Mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// Random is SplitMix64. Confined to one goroutine.
type Random struct{ state uint64 }

func NewRandom(seed uint64) *Random { return &Random{seed} }

func (r *Random) Next() uint64 {
	r.state += goldenRatio
	return Mix(r.state)
}

// Uniform gives a number below n.
func (r *Random) Uniform(n uint64) uint64 { return scale(r.Next(), n) }

// Unit gives a number in [0, 1).
func (r *Random) Unit() float64 { return float64(r.Next()>>11) * 0x1p-53 }

// scale maps the words evenly to the numbers below n.
func scale(word, n uint64) uint64 {
	upper, _ := bits.Mul64(word, n)
	return upper
}

// ThreadSeed is the seed of one thread's Random in one workload of one run.
func ThreadSeed(seed uint64, workload string, run, thread uint64) uint64 {
	h := seed
	for i := range len(workload) {
		h = Mix(h ^ uint64(workload[i]))
	}
	return Mix(h ^ run<<32 ^ thread)
}

const (
	keyPrefix = "user"
	keyBytes  = len(keyPrefix) + 16
)

// Key is the key of a record; records are known by Mix of their number in the order of keys.
type Key [keyBytes]byte

func (k *Key) Assign(record uint64) { k.AssignMixed(Mix(record)) }

func (k *Key) AssignMixed(mixed uint64) {
	const digits = "0123456789abcdef"
	copy(k[:], keyPrefix)
	for i := keyBytes - 1; i >= len(keyPrefix); i-- {
		k[i] = digits[mixed&15]
		mixed >>= 4
	}
}

// ParseKey gives Mix of the record whose key it is; false if it is the key of none.
func ParseKey(key []byte) (mixed uint64, ok bool) {
	if len(key) != keyBytes || string(key[:len(keyPrefix)]) != keyPrefix {
		return 0, false
	}
	for _, c := range key[len(keyPrefix):] {
		switch {
		case '0' <= c && c <= '9':
			mixed = mixed<<4 | uint64(c-'0')
		case 'a' <= c && c <= 'f':
			mixed = mixed<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return mixed, true
}

const (
	valueHeaderBytes = 16
	valueBytesMax    = 64 << 10
	patternOffsets   = 128 << 10
)

// Values makes and checks the values of one size. Immutable.
type Values struct {
	size    int
	pattern []byte
}

func NewValues(size int) *Values {
	random := NewRandom(42)
	pattern := make([]byte, patternOffsets+valueBytesMax)
	for i := range pattern {
		pattern[i] = byte(33 + (random.Next()>>32)%94)
	}
	return &Values{size, pattern}
}

// Fill writes the value of a record at a version into `to`, which has the size of a value.
func (v *Values) Fill(record, version uint64, to []byte) {
	binary.LittleEndian.PutUint64(to, record)
	binary.LittleEndian.PutUint64(to[8:], version)
	copy(to[valueHeaderBytes:], v.patternOf(record, version))
}

// Parse gives record and version of a value; false if it is none of ours.
func (v *Values) Parse(value []byte) (record, version uint64, ok bool) {
	if len(value) != v.size {
		return 0, 0, false
	}
	record = binary.LittleEndian.Uint64(value)
	version = binary.LittleEndian.Uint64(value[8:])
	return record, version, bytes.Equal(value[valueHeaderBytes:], v.patternOf(record, version))
}

func (v *Values) patternOf(record, version uint64) []byte {
	at := int(Mix(record*goldenRatio^version) % patternOffsets)
	return v.pattern[at : at+v.size-valueHeaderBytes]
}

const theta = 0.99

// Zipfian gives ranks below n, rank r with a probability proportional to 1/(r+1)^0.99. Immutable.
// Source: Gray et al., "Quickly Generating Billion-Record Synthetic Databases", 1994.
type Zipfian struct {
	n                uint64
	zeta, alpha, eta float64
}

func NewZipfian(n uint64) *Zipfian {
	z := &Zipfian{n: n, zeta: zeta(n), alpha: 1 / (1 - theta)}
	z.eta = (1 - math.Pow(2/float64(n), 1-theta)) / (1 - zeta(2)/z.zeta)
	return z
}

// Takes time in proportion to n.
func zeta(n uint64) float64 {
	sum := 0.0
	for i := uint64(1); i <= n; i++ {
		sum += 1 / math.Pow(float64(i), theta)
	}
	return sum
}

var secondRankEnd = 1 + math.Pow(0.5, theta)

func (z *Zipfian) Rank(random *Random) uint64 {
	u := random.Unit()
	switch uz := u * z.zeta; {
	case uz < 1:
		return 0
	case uz < secondRankEnd:
		return min(1, z.n-1)
	}
	return min(uint64(float64(z.n)*math.Pow(z.eta*u-z.eta+1, z.alpha)), z.n-1)
}

// Scrambled gives the record of a rank: the hot records lie anywhere.
func (z *Zipfian) Scrambled(random *Random) uint64 {
	return scale(Mix(z.Rank(random)+goldenRatio), z.n)
}
