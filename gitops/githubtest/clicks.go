package githubtest

import (
	"fmt"
	"net/http"
	"slices"
)

// Buttons of checks, and what else people press that has no API.

// ClickAction is a person pressing a button of a check run: requested_action
// with the identifier. The run must show that button. The stand-in lets
// everybody press who may read: who clicked is for the App to judge.
func (s *Server) ClickAction(checkRunID int64, identifier, login string) error {
	return s.clickRun(checkRunID, identifier, login)
}

// ClickRerun is a person pressing "Re-run" of a check run: rerequested.
func (s *Server) ClickRerun(checkRunID int64, login string) error {
	return s.clickRun(checkRunID, "", login)
}

// ClickRerunSuite is a person pressing "Re-run all checks" of a suite.
func (s *Server) ClickRerunSuite(checkSuiteID int64, login string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.hooks.wake()
	return s.clickSuite(checkSuiteID, login)
}

// ClickCheck is ClickAction, or ClickRerun when the identifier is empty, of a
// run in the named repository.
func (s *Server) ClickCheck(fullName string, checkRunID int64, login, identifier string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.hooks.wake()
	r, _, err := s.find(fullName)
	if err != nil {
		return err
	}
	if run := s.runs.rows[checkRunID]; run == nil || run.RepoID != r.ID {
		return fmt.Errorf("check run %d of %s: %w", checkRunID, fullName, ErrNotFound)
	}
	return s.click(checkRunID, identifier, login)
}

func (s *Server) clickRun(id int64, identifier, login string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.hooks.wake()
	return s.click(id, identifier, login)
}

// reader finds the account that clicks in a repository it can read.
func (s *Server) reader(r *repoRow, login string) (*accountRow, error) {
	a := s.accountByLogin(login)
	if a == nil {
		return nil, fmt.Errorf("account %s: %w", login, ErrNotFound)
	}
	if permissionRank(s.permission(login, r)) < permissionRank("read") {
		return nil, fmt.Errorf("%s cannot see %s: %w", login, s.fullName(r), ErrNotFound)
	}
	return a, nil
}

func (s *Server) click(id int64, identifier, login string) error {
	run := s.runs.rows[id]
	if run == nil {
		return fmt.Errorf("check run %d: %w", id, ErrNotFound)
	}
	r := s.repos.rows[run.RepoID]
	actor, err := s.reader(r, login)
	if err != nil {
		return err
	}
	if identifier == "" {
		return s.emitRun(r, actor, "", run, "rerequested", nil)
	}
	if !slices.ContainsFunc(run.Actions, func(a checkAction) bool { return a.Identifier == identifier }) {
		return fmt.Errorf("check run %d has no action %q", id, identifier)
	}
	return s.emitRun(r, actor, "", run, "requested_action", map[string]any{"requested_action": map[string]any{"identifier": identifier}})
}

func (s *Server) clickSuite(id int64, login string) error {
	suite := s.suites.rows[id]
	if suite == nil {
		return fmt.Errorf("check suite %d: %w", id, ErrNotFound)
	}
	r := s.repos.rows[suite.RepoID]
	actor, err := s.reader(r, login)
	if err != nil {
		return err
	}
	return s.emitSuite(r, actor, "", suite, "rerequested")
}

// DeleteCheckRun removes a run, as GitHub does with old ones: its button may
// have been pressed just before.
func (s *Server) DeleteCheckRun(checkRunID int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runs.rows[checkRunID] == nil {
		return fmt.Errorf("check run %d: %w", checkRunID, ErrNotFound)
	}
	s.runs.remove(checkRunID)
	return nil
}

// control answers the routes that stand for a person's click:
//
//	POST /_click        {"check_run_id"|"check_suite_id", "identifier"?, "login"}
//	POST /_merge_group  {"repository", "number", "login"}
//	POST /_install      {"app", "account", "repositories"?}
//	POST /_fork         {"repository", "login"}
//
// The answers are 204, and 201 with head_sha, installation_id or full_name.
// Under s.mu.
func (s *Server) control(w http.ResponseWriter, key string, body []byte) {
	defer s.hooks.wake()
	var in struct {
		CheckRunID   int64    `json:"check_run_id"`
		CheckSuiteID int64    `json:"check_suite_id"`
		Identifier   string   `json:"identifier"`
		Login        string   `json:"login"`
		Repository   string   `json:"repository"`
		Number       int      `json:"number"`
		App          string   `json:"app"`
		Account      string   `json:"account"`
		Repositories []string `json:"repositories"`
	}
	err := strictJSON(body, &in)
	status, answer := 204, any(nil)
	switch {
	case err != nil:
	case key == "POST /_merge_group":
		var head string
		if head, err = s.enqueuePull(in.Repository, in.Number, in.Login); err == nil {
			status, answer = 201, map[string]any{"head_sha": head}
		}
	case key == "POST /_fork":
		var name string
		if name, err = s.fork(in.Repository, in.Login); err == nil {
			status, answer = 201, map[string]any{"full_name": name}
		}
	case key == "POST /_install":
		var id int64
		if id, err = s.install(in.App, SeedInstallation{Account: in.Account, Repositories: in.Repositories}); err == nil {
			status, answer = 201, map[string]any{"installation_id": id}
		}
	case in.CheckSuiteID != 0 && in.CheckRunID == 0 && in.Identifier == "":
		err = s.clickSuite(in.CheckSuiteID, in.Login)
	default:
		err = s.click(in.CheckRunID, in.Identifier, in.Login)
	}
	if err != nil {
		status, answer = 422, map[string]any{"message": err.Error()}
	}
	adminAnswer(w, status, answer)
}
