package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/calltap/calltap/integration/harness"
	"github.com/calltap/calltap/integration/ports"
)

// mariadb is a private server. It need not survive a power cut, so it does not wait for the disk.
type mariadb struct {
	*harness.Process
	dir  string
	port int
}

// createSQL makes the files of an empty server in dir.
func createSQL(dir string) error {
	out, err := exec.Command("mariadb-install-db", "--no-defaults", "--user=root", "--skip-test-db",
		"--auth-root-authentication-method=normal", "--innodb-log-file-size=16M", "--datadir="+dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mariadb-install-db: %w\n%s", err, out)
	}
	return nil
}

// startSQL starts a server on the files in dir/mysql.
func startSQL(dir string) (*mariadb, error) {
	free, err := ports.Free(1)
	if err != nil {
		return nil, err
	}
	path, err := exec.LookPath("mariadbd")
	if err != nil {
		return nil, err
	}
	db := &mariadb{dir: dir, port: free[0]}
	db.Process, err = harness.Run(harness.Spec{
		Name: "mariadb", Path: path, Dir: dir, Timeout: startTimeout,
		Args: []string{
			"--no-defaults", "--user=root", "--datadir=" + filepath.Join(dir, "mysql"), "--bind-address=127.0.0.1",
			fmt.Sprintf("--port=%d", db.port), "--socket=" + db.socket(), "--pid-file=" + filepath.Join(dir, "mariadb.pid"),
			"--max-connections=400", "--innodb-buffer-pool-size=128M", "--innodb-log-file-size=16M",
			"--innodb-flush-log-at-trx-commit=0", "--character-set-server=utf8mb3",
		},
		Ready: func(string) bool { return db.query("SELECT 1") == nil },
	})
	return db, err
}

func (db *mariadb) socket() string { return filepath.Join(db.dir, "mysql.sock") }

// query runs statements as the server's administrator.
func (db *mariadb) query(statements string) error {
	out, err := exec.Command("mariadb", "--no-defaults", "-uroot", "-S", db.socket(), "-e", statements).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mariadb: %w: %s", err, out)
	}
	return nil
}

// Stop ends the server in order, so that its files can be copied.
func (db *mariadb) Stop() error {
	if err := db.query("SHUTDOWN"); err != nil {
		return err
	}
	_, err := db.Wait(time.Minute)
	return err
}
