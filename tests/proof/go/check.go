// Checks what Assent exports with the library of Go's checksum database, and nothing of Assent.
//
//	check bundle FOLDER [OLDER.note ...]   an unpacked bundle, and checkpoints that were kept
//	check proof FILE [VKEY]                a single proof file
//	check paths < FACTS.json               inclusion and consistency paths that somebody computed
//
// The text of a checkpoint is that of a go.sum database but for its first line, which names the
// log: so it is exchanged before tlog.ParseTree reads the two lines below.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if len(os.Args) < 2 {
		fail("say bundle, proof or paths")
	}
	switch rest := os.Args[2:]; os.Args[1] {
	case "bundle":
		bundle(rest[0], rest[1:])
	case "proof":
		proof(rest[0], rest[1:])
	case "paths":
		paths()
	default:
		fail("say bundle, proof or paths")
	}
}

func fail(why ...interface{}) {
	fmt.Fprintln(os.Stderr, why...)
	os.Exit(1)
}

func must(err error, what string) {
	if err != nil {
		fail(what+":", err)
	}
}

func read(path string) []byte {
	data, err := os.ReadFile(path)
	must(err, path)
	return data
}

// open checks the signature of a checkpoint and reads size and root.
func open(signed []byte, vkey string) tlog.Tree {
	verifier, err := note.NewVerifier(strings.TrimSpace(vkey))
	must(err, "key")
	opened, err := note.Open(signed, note.VerifierList(verifier))
	must(err, "checkpoint")
	origin, rest, _ := strings.Cut(opened.Text, "\n")
	if origin != verifier.Name() {
		fail("a checkpoint of", origin, "signed by", verifier.Name())
	}
	tree, err := tlog.ParseTree([]byte("go.sum database tree\n" + rest))
	must(err, "checkpoint")
	return tree
}

// bundle computes the root over all entries, and that older checkpoints are on the way to it.
func bundle(folder string, older []string) {
	vkey := string(read(filepath.Join(folder, "public-key.txt")))
	tree := open(read(filepath.Join(folder, "checkpoint.note")), vkey)
	var hashes []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			found[i] = hashes[index]
		}
		return found, nil
	})
	lines := bytes.Split(read(filepath.Join(folder, "entries.jsonl")), []byte("\n"))
	lines = lines[:len(lines)-1] // what is after the last line end
	for n, line := range lines {
		more, err := tlog.StoredHashes(int64(n), line, reader)
		must(err, "entries")
		hashes = append(hashes, more...)
	}
	if int64(len(lines)) != tree.N {
		fail("entries:", len(lines), "but the checkpoint says", tree.N)
	}
	root, err := tlog.TreeHash(tree.N, reader)
	must(err, "entries")
	if root != tree.Hash {
		fail("entries: their root is", root, "but the checkpoint says", tree.Hash)
	}
	for _, path := range older {
		before := open(read(path), vkey)
		if before.N > tree.N {
			fail(path+": it is newer than the bundle")
		}
		way, err := tlog.ProveTree(tree.N, before.N, reader)
		must(err, path)
		must(tlog.CheckTree(way, tree.N, tree.Hash, before.N, before.Hash), path)
	}
	fmt.Println("holds:", tree.N, tree.Hash)
}

// proof checks that the entry of a proof file leads to its checkpoint.
func proof(path string, trusted []string) {
	head, signed, _ := bytes.Cut(read(path), []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		fail("not a proof file")
	}
	data, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	must(err, "extra")
	var extra struct{ Entry, Key string }
	must(json.Unmarshal(data, &extra), "extra")
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	must(err, "index")
	if len(trusted) > 0 {
		extra.Key = trusted[0]
	}
	tree := open(signed, extra.Key)
	leaf := tlog.RecordHash([]byte(extra.Entry))
	must(tlog.CheckRecord(parsed(lines[3:]), tree.N, tree.Hash, index, leaf), "path")
	fmt.Println("holds:", index, extra.Entry)
}

type step struct {
	Note string   // the signed checkpoint of an older tree, or
	Leaf string   // the hash of the entry at
	At   int64    // this place, in base64
	Path []string // hashes in base64
}

// paths checks, each by itself, what somebody else computed.
func paths() {
	var facts struct {
		Key, Note string
		Steps     []step
	}
	must(json.NewDecoder(os.Stdin).Decode(&facts), "input")
	tree := open([]byte(facts.Note), facts.Key)
	wrong := 0
	for number, one := range facts.Steps {
		if err := check(one, tree, facts.Key); err != nil {
			fmt.Println("step", number, "does not hold:", err)
			wrong++
		}
	}
	if wrong > 0 {
		os.Exit(1)
	}
	fmt.Println("holds:", len(facts.Steps))
}

func check(one step, tree tlog.Tree, vkey string) error {
	if one.Note == "" {
		leaf := parsed([]string{one.Leaf})[0]
		return tlog.CheckRecord(parsed(one.Path), tree.N, tree.Hash, one.At, leaf)
	}
	older := open([]byte(one.Note), vkey)
	return tlog.CheckTree(parsed(one.Path), tree.N, tree.Hash, older.N, older.Hash)
}

func parsed(texts []string) []tlog.Hash {
	hashes := make([]tlog.Hash, len(texts))
	for i, text := range texts {
		hash, err := tlog.ParseHash(text)
		must(err, "hash")
		hashes[i] = hash
	}
	return hashes
}
