package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"go.uber.org/zap"

	"github.com/hnp-sync/hnp-sync/app/jobs"
	"github.com/hnp-sync/hnp-sync/app/store"
	"github.com/hnp-sync/hnp-sync/gitops"
	"github.com/hnp-sync/hnp-sync/handlers"
)

// maxBody is the largest request body.
const maxBody = 64 << 10

// Jobs is what the API asks for.
type Jobs interface {
	Sync(ctx context.Context, fabric int64, login string) (operation string, err error)
	Approve(ctx context.Context, fabric int64, hash, by string) (operation string, approval *gitops.Approval, err error)
	Overlay(fabric int64) jobs.Overlay
	Unpaired() map[string][]jobs.NetBoxFabric
	Queue(ctx context.Context) (int, error)
	Missing() map[int64][]string
}

// API answers the routes. It is safe for concurrent use.
type API struct {
	Store *store.Store
	Jobs  Jobs
	Auth  *Auth
	Now   func() time.Time
	Log   *zap.Logger
}

// Routes adds the API to a router. Every path answers with and without its final slash: never a redirect, which would
// lose the body of a POST.
func (a *API) Routes(e *echo.Echo) {
	both := func(method, path string, h echo.HandlerFunc) {
		h = a.authenticated(h)
		bare := strings.TrimSuffix(path, "/")
		e.Add(method, bare, h)
		e.Add(method, bare+"/", h)
	}
	const hedgehog = "/api/plugins/hedgehog"
	both(http.MethodGet, "/api/status", a.status)
	both(http.MethodPost, hedgehog+"/fabrics/:id/sync/", a.sync)
	both(http.MethodGet, hedgehog+"/fabrics/:id/conflicts/", a.conflicts)
	both(http.MethodPost, hedgehog+"/fabrics/:id/approve/", a.approve)
	both(http.MethodGet, hedgehog+"/sync-operations/:id/", a.operation)
	both(http.MethodGet, hedgehog+"/sync-operations/:id/status/", a.operation)
}

// Fail writes an error's body.
func Fail(c echo.Context, status int, code, detail string) error {
	return c.JSON(status, Error{Detail: detail, Code: code})
}

const callerKey = "caller"

func (a *API) authenticated(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set("Cache-Control", "no-store")
		caller, ok, away := a.Auth.Caller(c.Request())
		switch {
		case ok:
			c.Set(callerKey, caller)
			return next(c)
		case away != "":
			return Fail(c, http.StatusServiceUnavailable, "netbox_unavailable", "NetBox "+away+" could not be asked about the token: try again")
		}
		c.Response().Header().Set("WWW-Authenticate", "Token")
		return Fail(c, http.StatusUnauthorized, "not_authenticated", "give the API token or a NetBox token: Authorization: Token …")
	}
}

func callerOf(c echo.Context) Caller {
	caller, _ := c.Get(callerKey).(Caller)
	return caller
}

// failed answers what went wrong here, and logs the cause, which the caller is not told.
func (a *API) failed(c echo.Context, err error) error {
	a.Log.Error("request failed", zap.String("path", c.Path()), zap.Error(err))
	return Fail(c, http.StatusInternalServerError, "internal", "the server could not do this; its log says why")
}

// fabric finds the fabric of the path among those the caller sees. A fabric of another NetBox is as unknown as one that
// does not exist.
func (a *API) fabric(c echo.Context) (f store.Fabric, ok bool, answer error) {
	id, err := strconv.ParseInt(c.Param("id"), 10, 64)
	if err != nil || id <= 0 {
		return f, false, Fail(c, http.StatusNotFound, "not_found", "no such fabric")
	}
	list, err := a.Store.FabricByNetBox(c.Request().Context(), c.QueryParam("netbox"), id)
	if err != nil {
		return f, false, a.failed(c, err)
	}
	caller := callerOf(c)
	list = slices.DeleteFunc(list, func(f store.Fabric) bool { return !caller.sees(f.Connection) })
	switch len(list) {
	case 0:
		return f, false, Fail(c, http.StatusNotFound, "not_found", "no such fabric is synchronised")
	case 1:
		return list[0], true, nil
	}
	var names []string
	for _, f := range list {
		names = append(names, f.Connection)
	}
	return f, false, Fail(c, http.StatusConflict, "ambiguous", fmt.Sprintf("several NetBoxes have a fabric %d: add ?netbox=NAME (%s)", id, strings.Join(names, ", ")))
}

// body decodes a small JSON body strictly; an empty one changes nothing.
func body(c echo.Context, out any) error {
	data, err := io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, maxBody))
	if err != nil {
		return err
	}
	if len(strings.TrimSpace(string(data))) == 0 {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.DisallowUnknownFields()
	if err := d.Decode(out); err != nil {
		return err
	}
	if d.More() {
		return errors.New("more than one JSON value")
	}
	return nil
}

func badBody(c echo.Context, err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return Fail(c, http.StatusRequestEntityTooLarge, "too_large", "the body is too large")
	}
	return Fail(c, http.StatusBadRequest, "invalid", "the body is not what is expected: "+err.Error())
}

const bidirectional = "bidirectional"

func (a *API) sync(c echo.Context) error {
	f, ok, answer := a.fabric(c)
	if !ok {
		return answer
	}
	var in SyncRequest
	if err := body(c, &in); err != nil {
		return badBody(c, err)
	}
	switch {
	case in.Direction != "" && in.Direction != bidirectional:
		return Fail(c, http.StatusBadRequest, "not_supported", "direction: only bidirectional for one operation; a fabric's direction is set in .github/hnp-sync.yaml")
	case in.Force:
		return Fail(c, http.StatusBadRequest, "not_supported", "force: nothing is ever forced")
	case in.CreatePR:
		return Fail(c, http.StatusBadRequest, "not_supported", "create_pr: not for one operation; mode: pull_request in .github/hnp-sync.yaml proposes what NetBox changed")
	case in.ConflictResolution != "" && in.ConflictResolution != "merge" && in.ConflictResolution != "user_guided":
		return Fail(c, http.StatusBadRequest, "not_supported", "conflict_resolution: merge or user_guided; a conflict waits for a person in both")
	}
	ctx := c.Request().Context()
	id, err := a.Jobs.Sync(ctx, f.ID, callerOf(c).login(f.Connection))
	if err != nil {
		return a.failed(c, err)
	}
	open, err := a.Store.OpenConflicts(ctx, f.ID)
	if err != nil {
		return a.failed(c, err)
	}
	a.Log.Info("sync asked for", zap.String(handlers.FieldOperation, id), zap.String(handlers.FieldFabric, f.Connection+"/"+f.Policy.Name))
	return c.JSON(http.StatusAccepted, Started{OperationID: id, Status: "in_progress", ConflictsDetected: len(open),
		WebhookURL: "/api/plugins/hedgehog/sync-operations/" + id + "/status/"})
}

func (a *API) approve(c echo.Context) error {
	caller := callerOf(c)
	if !caller.API {
		return Fail(c, http.StatusForbidden, "permission_denied", "approving needs the API token")
	}
	f, ok, answer := a.fabric(c)
	if !ok {
		return answer
	}
	var in ApproveRequest
	if err := body(c, &in); err != nil {
		return badBody(c, err)
	}
	if in.PlanHash == "" {
		return Fail(c, http.StatusBadRequest, "invalid", "plan_hash is missing: GET /api/status shows it")
	}
	ctx := c.Request().Context()
	before, err := a.Store.Status(ctx, f.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return a.failed(c, err)
	}
	id, approval, err := a.Jobs.Approve(ctx, f.ID, in.PlanHash, caller.login(f.Connection))
	if errors.Is(err, store.ErrNotWaiting) {
		return Fail(c, http.StatusConflict, "not_waiting", "nothing waits under this hash; what waits now: GET /api/status")
	}
	if err != nil {
		return a.failed(c, err)
	}
	a.Log.Info("approved", zap.String(handlers.FieldOperation, id), zap.String(handlers.FieldFabric, f.Connection+"/"+f.Policy.Name), zap.String("plan", in.PlanHash))
	out := Approved{OperationID: id, Status: "in_progress", PlanHash: in.PlanHash, Approved: []Waiting{}}
	for _, w := range before.Waiting {
		if slices.Contains(approval.Fingerprints, w.Fingerprint) || len(approval.Fingerprints) == 0 {
			out.Approved = append(out.Approved, Waiting{Action: w.Action, Resource: w.Resource, Reason: w.Reason})
		}
	}
	return c.JSON(http.StatusAccepted, out)
}

func (a *API) operation(c echo.Context) error {
	ctx := c.Request().Context()
	op, err := a.Store.Operation(ctx, c.Param("id"))
	if errors.Is(err, store.ErrNotFound) {
		return Fail(c, http.StatusNotFound, "not_found", "no such operation")
	}
	if err != nil {
		return a.failed(c, err)
	}
	f, err := a.Store.Fabric(ctx, op.Fabric)
	if err != nil {
		return a.failed(c, err)
	}
	if !callerOf(c).sees(f.Connection) {
		return Fail(c, http.StatusNotFound, "not_found", "no such operation")
	}
	return c.JSON(http.StatusOK, operationOf(op, f))
}

func (a *API) conflicts(c echo.Context) error {
	f, ok, answer := a.fabric(c)
	if !ok {
		return answer
	}
	ctx := c.Request().Context()
	open, err := a.Store.OpenConflicts(ctx, f.ID)
	if err != nil {
		return a.failed(c, err)
	}
	ids, err := a.Store.ResourceIDs(ctx, f.ID)
	if err != nil {
		return a.failed(c, err)
	}
	out := Conflicts{Conflicts: make([]Conflict, 0, len(open)), TotalConflicts: len(open)}
	for _, oc := range open {
		out.Conflicts = append(out.Conflicts, conflictOf(oc, ids[oc.Key]))
	}
	return c.JSON(http.StatusOK, out)
}

func (a *API) status(c echo.Context) error {
	out, err := a.statusFor(c.Request().Context(), callerOf(c))
	if err != nil {
		return a.failed(c, err)
	}
	return c.JSON(http.StatusOK, out)
}
