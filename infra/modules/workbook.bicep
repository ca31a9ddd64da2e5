metadata description = 'The workbook: the graphs of the dashboard from logs and metrics, and the hub reconciled with the stream.'

@description('Its title.')
param displayName string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Where the logs of the app are.')
param applicationInsightsId string

@description('Where the metrics of the hub are kept.')
param workspaceId string

@description('The namespace of the hub; empty where it is not known.')
param eventHubNamespaceId string

var template = loadTextContent('../workbook/workbook.json')
var withInsights = replace(template, '__APPLICATION_INSIGHTS_ID__', applicationInsightsId)
var withWorkspace = replace(withInsights, '__WORKSPACE_ID__', workspaceId)
var content = replace(withWorkspace, '__EVENT_HUB_NAMESPACE_ID__', eventHubNamespaceId)

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(applicationInsightsId, 'retail-stream')
  location: location
  tags: union(tags, { 'hidden-title': displayName })
  kind: 'shared'
  properties: {
    displayName: displayName
    category: 'workbook'
    sourceId: applicationInsightsId
    serializedData: content
  }
}
