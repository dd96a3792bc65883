package settings

// TableName names a table of the database.
type TableName string

// The tables, in the order of the documentation.
const (
	TableLocals            TableName = "locals"
	TableMTANames          TableName = "mtanames"
	TableMTALabels         TableName = "mtalabels"
	TableIPs               TableName = "ips"
	TableBlocklist         TableName = "blocklist"
	TableCapacity          TableName = "capacity"
	TableCapacityRules     TableName = "capacity_rules"
	TableFloodResponses    TableName = "flood_responses"
	TableSchedules         TableName = "schedules"
	TableScheduleSteps     TableName = "schedule_steps"
	TableScheduleRules     TableName = "schedule_rules"
	TableScheduleDays      TableName = "schedule_days"
	TablePools             TableName = "pools"
	TablePoolIPs           TableName = "poolips"
	TableExternalMTAs      TableName = "externalmtas"
	TableDKIMKeys          TableName = "dkim_keys"
	TableDKIMPatterns      TableName = "dkim_patterns"
	TableDNS               TableName = "dns"
	TableErrors            TableName = "errors"
	TablePaused            TableName = "paused"
	TableDelegates         TableName = "delegates"
	TableSuppressions      TableName = "suppressions"
	TableResponsePatterns  TableName = "response_patterns"
	TableResponseActions   TableName = "response_actions"
	TableResponseLinks     TableName = "response_patterns_actions"
	TableRewriteTriggers   TableName = "rewrite_triggers"
	TableRewriteConditions TableName = "rewrite_conditions"
	TableRewriteActions    TableName = "rewrite_actions"
	TableTokens            TableName = "tokens"
	TableRoutes            TableName = "routes"
	TableFeedbackRules     TableName = "feedback_rules"
	TableFeedbackSenders   TableName = "feedback_senders"
	TableReturnPathKeys    TableName = "returnpath_keys"
)

// tables lists all tables, in the order of the documentation.
func tables() []erased {
	return []erased{
		localTable, mtaNameTable, mtaLabelTable, ipTable, blockTable, capacityTable, capacityRuleTable, floodTable,
		scheduleTable, scheduleStepTable, scheduleRuleTable, scheduleDayTable,
		poolTable, poolIPTable, externalMTATable, dkimKeyTable, dkimPatternTable, dnsTable,
		errorTable, pauseTable, delegateTable, suppressionTable,
		responsePatternTable, responseActionTable, responseLinkTable,
		rewriteTriggerTable, rewriteConditionTable, rewriteActionTable,
		tokenTable, routeTable,
		feedbackRuleTable, feedbackSenderTable, returnPathKeyTable,
	}
}
