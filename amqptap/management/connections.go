package management

import (
	"context"
	"fmt"
)

const (
	pageSize = 500 // the API's own limit
	maxPages = 66  // 33,000 connections
)

// Connection is a client's connection.
type Connection struct {
	Name     string `json:"name"` // as the firehose names it: IP:PORT -> IP:PORT
	Node     string `json:"node"`
	VHost    string `json:"vhost"`
	User     string `json:"user"`
	Provided string `json:"user_provided_name"` // by the client, "" if it gave none
}

// Connections lists the cluster's connections of a vhost, at most some 33,000 of the cluster: truncated says that there were more. It needs the tag monitoring:
// with management alone it lists the user's own.
func (c *Client) Connections(ctx context.Context, vhost string) (all []Connection, truncated bool, err error) {
	for page := 1; page <= maxPages; page++ {
		var answer struct {
			Pages int          `json:"page_count"`
			Items []Connection `json:"items"`
		}
		query := fmt.Sprintf("page=%d&page_size=%d&columns=name,node,vhost,user,user_provided_name", page, pageSize)
		if err := c.get(ctx, query, &answer, "connections"); err != nil {
			return nil, false, err
		}
		for _, conn := range answer.Items {
			if conn.VHost == vhost {
				all = append(all, conn)
			}
		}
		if page >= answer.Pages {
			return all, false, nil
		}
	}
	return all, true, nil
}
